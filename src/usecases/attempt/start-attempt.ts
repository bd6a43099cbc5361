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
import { inOrder, transact } from '../../store/transact.ts';
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
  const { task, missing } = await transact(deps.hot, async (trx, oneMore) => {
    const held = await lockHeld(trx, holder, attemptId);
    const missing = held.task.status === 'assigned' ? await whyNot(trx, deps, held) : null;
    const written = missing === null ? write(trx, holder, held, process) : [];
    oneMore();
    const [task] = await inOrder(findChanged({ db: trx }, held.task.id), ...written);
    return { task, missing };
  });
  deps.wakeups.emit({ kind: 'task', taskId: task.id });
  if (missing !== null) {
    deps.wakeups.emit({ kind: 'ready' });
    throw new AppError('lease_lost', `The attempt was ended, because ${missing}.`);
  }
  return { ...task, environment: withSecrets(deps.secrets, task) };
}

/** A secret that the task names is gone from the configuration since it was made: the attempt has ended with that. */
async function whyNot(trx: Transaction<Database>, deps: Deps, held: Held): Promise<string | null> {
  refuseStopped(held);
  // It doesn't stand any more as it was given out.
  deps.fresh.forget(held.attempt.id);
  const missing = refusedSecret(deps.secrets, held.task)?.reason ?? null;
  if (missing === null) return null;
  await endHeld(trx, deps, held, notSetUp(missing), { actor: SERVER, saidHash: null, settled: true });
  return missing;
}

/** The task runs from now on, and its process is on record once that is known. */
function write(trx: Transaction<Database>, holder: Holder, held: Held, process: ProcessIdentity | null) {
  const { task, attempt } = held;
  if (task.status !== 'assigned') {
    return process === null || attempt.process !== null ? [] : [changeOpenAttempt(trx, attempt.id, identity(process))];
  }
  const data = { pid: process?.pid ?? null };
  const started = { type: 'started', actor: actorOf(holder), attemptId: attempt.id, data } as const;
  return [
    changeOpenAttempt(trx, attempt.id, { started_at: task.at, ...identity(process) }),
    changeTask(trx, task, { status: 'running' }, started),
  ];
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
