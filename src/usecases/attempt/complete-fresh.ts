import { headOf } from '../../store/event-chain.ts';
import { type FreshEnding, finishFresh } from '../../store/fresh-endings.ts';
import type { Deps } from '../deps.ts';
import type { FreshAttempt } from '../dequeue/fresh-attempts.ts';
import type { Completed, Completion } from './completion.ts';
import { completedData } from './end-attempt.ts';

/**
 * Completes, in one statement and without reading them first, those attempts that said `completed` and of which this
 * process knows how they were given out. The statement changes a row only where nothing has happened to it since, and
 * where nobody waits for its end; what is missing in the answer goes the long way. So does what an agent did that had
 * failed before, which is to be judged anew.
 */
export async function completeFresh(deps: Deps, completions: readonly Completion[]): Promise<Map<string, Completed>> {
  const fresh = completions.flatMap((completion) => {
    const known = freshOf(deps, completion);
    return known === null ? [] : [known];
  });
  if (fresh.length === 0) return new Map();
  const finished = await finishFresh(deps.hot, fresh);
  for (const { attemptId } of fresh) deps.fresh.forget(attemptId);
  return new Map(
    fresh
      .filter(({ attemptId }) => finished.has(attemptId))
      .map(({ attemptId, taskId }) => [attemptId, { taskId, taskStatus: 'completed' }] as const),
  );
}

function freshOf(deps: Deps, { holder, attemptId, result, hash }: Completion): FreshEnding | null {
  const known = deps.fresh.find(attemptId);
  if (known === undefined || known.doubted || holder.kind !== 'agent' || !isOwn(known, holder)) return null;
  if (result.outcome !== 'completed' || (result.leftProcesses ?? []).length > 0) return null;
  return {
    attemptId,
    taskId: known.id,
    head: headOf(known),
    happening: {
      type: 'completed',
      actor: { kind: 'agent', id: holder.agentId },
      attemptId,
      data: completedData(result),
    },
    result,
    saidHash: hash,
  };
}

const isOwn = (known: FreshAttempt, holder: { agentId: string; attemptId: string | null }): boolean =>
  known.agentId === holder.agentId && (holder.attemptId === null || holder.attemptId === known.attemptId);
