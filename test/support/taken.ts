import { randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Result } from '../../src/domain/attempt.ts';
import type { Holder } from '../../src/domain/holder.ts';
import type { Database } from '../../src/store/schema.ts';
import { completeAttempt } from '../../src/usecases/complete-attempt.ts';
import type { Deps } from '../../src/usecases/deps.ts';

/** A ready task as if this agent had taken it; straight into the tables, for tests of what comes after. */
export async function takeFor(db: Kysely<Database>, agentId: string, taskId: string): Promise<string> {
  const attemptId = randomUUID();
  const { numAffectedRows } = await sql`
    with taken as (
      update tasks set status = 'assigned', ready = false, execution_mode = 'http_pull', attempt_id = ${attemptId},
        attempts = attempts + 1, assigned_agent_id = ${agentId}, assigned_at = now(),
        lease_expires_at = now() + interval '1 hour'
      where id = ${taskId} and ready returning id, attempts)
    insert into attempts (id, task_id, number, execution_mode, agent_id, token_hash, leased_at)
    select ${attemptId}, id, attempts, 'http_pull', ${agentId}, '', now() from taken`.execute(db);
  if (numAffectedRows !== 1n) throw new Error(`task ${taskId} is not ready`);
  return attemptId;
}

/** Takes a ready task and ends it with this result; answers what it became. */
export async function workOff(deps: Deps, agentId: string, taskId: string, result: Result) {
  const attemptId = await takeFor(deps.db, agentId, taskId);
  const holder: Holder = { kind: 'agent', agentId, attemptId: null };
  return completeAttempt(deps, holder, attemptId, result, { hash: attemptId });
}
