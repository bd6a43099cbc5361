import type { Transaction } from 'kysely';
import type { TaskDraft } from '../../forgejo/task-draft.ts';
import { agentModeForNaming } from '../../store/agents.ts';
import { lockDependencies } from '../../store/dependencies.ts';
import type { Database } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';
import { whyFull } from './repository-room.ts';

/**
 * Why no task can be made of a draft now: its template names an agent or tasks that there are no more, which the file
 * could not know, or too many of its repository are open; null: one can. In the words of a decision.
 */
export async function whyUnmakeable(
  trx: Transaction<Database>,
  deps: Pick<Deps, 'settings'>,
  draft: TaskDraft,
): Promise<string | null> {
  const { agentId, executionMode, template } = draft;
  const full = await whyFull(trx, deps, draft.repository);
  if (full !== null) return `rate_limited: ${full}`;
  const failed = (field: string, what: string) => `template_failed: ${template}: ${field}: ${what}`;
  if (agentId !== null) {
    const mode = await agentModeForNaming(trx, agentId);
    if (mode === null) return failed('agent_id', `there is no agent ${agentId}`);
    const fits = executionMode === null || executionMode === 'undecided' || executionMode === mode;
    if (!fits) return failed('execution_mode', `agent ${agentId} is ${mode}`);
  }
  const wanted = draft.dependsOn ?? [];
  const known = await lockDependencies(trx, wanted);
  const missing = wanted.find((id) => !known.has(id));
  return missing === undefined ? null : failed('depends_on', `there is no task ${missing}`);
}
