import { BLANK_RESULT, type Result } from '../../domain/attempt.ts';
import type { Deps } from '../deps.ts';
import { SERVER } from '../server-actor.ts';
import { endHeld } from './end-attempt.ts';
import { isHeld, lockOwn } from './holding.ts';

const handedBack: Result = {
  ...BLANK_RESULT,
  outcome: 'released',
  error: 'the agent was gone before it could be told of the task',
};

/** Hands back at once what an agent was given that had hung up before the answer was written. */
export async function releaseUnanswered(deps: Deps, agentId: string, attemptIds: readonly string[]): Promise<void> {
  for (const attemptId of attemptIds) {
    await deps.db.transaction().execute(async (trx) => {
      const holder = { kind: 'agent', agentId, attemptId: null } as const;
      const held = await lockOwn(trx, holder, attemptId);
      if (held === null || !isHeld(held, holder) || held.task.status !== 'assigned') return;
      await endHeld(trx, deps, held, handedBack, {
        actor: SERVER,
        saidHash: null,
        settled: true,
      });
    });
  }
  deps.wakeups.emit({ kind: 'ready' });
}
