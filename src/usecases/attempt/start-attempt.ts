import type { Transaction } from 'kysely';
import { BLANK_RESULT, type Result } from '../../domain/attempt.ts';
import { AppError } from '../../domain/errors.ts';
import type { Holder } from '../../domain/holder.ts';
import type { ProcessIdentity } from '../../domain/process.ts';
import { refusedSecret, withSecrets } from '../../domain/secrets.ts';
import type { Task } from '../../domain/task.ts';
import { changeOpenAttempt } from '../../store/attempts.ts';
import type { Database } from '../../store/schema.ts';
import { changeTask } from '../../store/task-changes.ts';
import type { Deps } from '../deps.ts';
import { SERVER } from '../server-actor.ts';
import { endHeld } from './end-attempt.ts';
import { findChanged } from './find-changed.ts';
import { actorOf, type Held, lockHeld } from './holding.ts';

/**
 * The holder asks whether it may make the process, and says it again with the process's identity. Refused with
 * `status_not_allowed` once a stop was asked, so what is cancelled before its start never starts. The task is answered
 * with the values of its secrets, for its holder alone; without one of them the attempt ends at once: `lease_lost`.
 */
export async function startAttempt(
  deps: Deps,
  holder: Holder,
  attemptId: string,
  process: ProcessIdentity | null,
): Promise<Task> {
  const { taskId, missing } = await deps.db.transaction().execute(async (trx) => {
    const held = await lockHeld(trx, holder, attemptId);
    if (held.task.status === 'assigned') return begin(trx, deps, holder, held, process);
    if (process !== null && held.attempt.process === null) await changeOpenAttempt(trx, attemptId, identity(process));
    return { taskId: held.task.id, missing: null };
  });
  deps.wakeups.emit({ kind: 'task', taskId });
  if (missing !== null) {
    deps.wakeups.emit({ kind: 'ready' });
    throw new AppError('lease_lost', `The attempt was ended, because ${missing}.`);
  }
  const task = await findChanged(deps, taskId);
  return { ...task, environment: withSecrets(deps.secrets, task) };
}

/** The task runs from now on, unless a secret that it names is gone from the configuration since it was made. */
async function begin(
  trx: Transaction<Database>,
  deps: Deps,
  holder: Holder,
  held: Held,
  process: ProcessIdentity | null,
): Promise<{ taskId: string; missing: string | null }> {
  const { task, attempt } = held;
  refuseStopped(held);
  // It doesn't stand any more as it was given out.
  deps.fresh.forget(attempt.id);
  const missing = refusedSecret(deps.secrets, task)?.reason ?? null;
  if (missing !== null) {
    await endHeld(trx, deps, held, notSetUp(missing), { actor: SERVER, saidHash: null, settled: true });
    return { taskId: task.id, missing };
  }
  await changeOpenAttempt(trx, attempt.id, { started_at: task.at, ...identity(process) });
  const data = { pid: process?.pid ?? null };
  const started = { type: 'started', actor: actorOf(holder), attemptId: attempt.id, data } as const;
  await changeTask(trx, task, { status: 'running' }, started);
  return { taskId: task.id, missing };
}

const identity = (process: ProcessIdentity | null) => (process === null ? {} : { process: JSON.stringify(process) });

function refuseStopped({ task }: Held): void {
  if (task.stop_reason === null) return;
  throw new AppError('status_not_allowed', `A stop was asked (${task.stop_reason}); the attempt must not start.`);
}

const notSetUp = (error: string): Result => ({
  ...BLANK_RESULT,
  outcome: 'failed',
  failureClass: 'setup',
  error,
});
