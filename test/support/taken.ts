import { randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Result } from '../../src/domain/attempt.ts';
import type { Holder } from '../../src/domain/holder.ts';
import type { Database } from '../../src/store/schema.ts';
import { changeTask, lockTask } from '../../src/store/task-changes.ts';
import { completeAttempt } from '../../src/usecases/complete-attempt.ts';
import type { Deps } from '../../src/usecases/deps.ts';

/** This very task as if this agent had taken it, whoever is first in order: for tests of what comes after. */
export async function takeFor(db: Kysely<Database>, agentId: string, taskId: string): Promise<string> {
  const attemptId = randomUUID();
  await db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (!task?.ready) throw new Error(`task ${taskId} is not ready`);
    const taken = {
      status: 'assigned',
      ready: false,
      execution_mode: 'http_pull',
      attempt_id: attemptId,
      attempts: task.attempts + 1,
      assigned_agent_id: agentId,
      assigned_at: task.at,
      lease_expires_at: 'infinity',
    } as const;
    await changeTask(trx, task, taken, { type: 'assigned', actor: { kind: 'agent', id: agentId }, attemptId });
    await sql`
      insert into attempts (id, task_id, number, execution_mode, agent_id, token_hash, leased_at)
      values (${attemptId}, ${taskId}, ${task.attempts + 1}, 'http_pull', ${agentId}, '', ${task.at})`.execute(trx);
  });
  return attemptId;
}

/** Takes a ready task and ends it with this result; answers what it became. */
export async function workOff(deps: Deps, agentId: string, taskId: string, result: Result) {
  const attemptId = await takeFor(deps.db, agentId, taskId);
  const holder: Holder = { kind: 'agent', agentId, attemptId: null };
  return completeAttempt(deps, holder, attemptId, result, { hash: attemptId });
}
