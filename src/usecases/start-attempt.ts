import { AppError } from '../domain/errors.ts';
import type { Holder } from '../domain/holder.ts';
import type { ProcessIdentity } from '../domain/machine.ts';
import type { Task } from '../domain/task.ts';
import { changeOpenAttempt } from '../store/attempts.ts';
import { changeTask } from '../store/task-changes.ts';
import { findTask } from '../store/tasks.ts';
import { actorOf } from './complete-attempt.ts';
import type { Deps } from './deps.ts';
import { type Held, lockHeld } from './holding.ts';

/**
 * The holder asks whether it may make the process, and says it again with the process's identity. Refused with
 * `status_not_allowed` once a stop was asked, so what is cancelled before its start never starts.
 */
export async function startAttempt(
  deps: Deps,
  holder: Holder,
  attemptId: string,
  process: ProcessIdentity | null,
): Promise<Task> {
  const taskId = await deps.db.transaction().execute(async (trx) => {
    const held = await lockHeld(trx, holder, attemptId);
    if (held.task.status === 'assigned') {
      refuseStopped(held);
      await changeOpenAttempt(trx, attemptId, { started_at: held.task.at, ...identity(process) });
      await changeTask(
        trx,
        held.task,
        { status: 'running' },
        {
          type: 'started',
          actor: actorOf(holder),
          attemptId,
          data: { pid: process?.pid ?? null },
        },
      );
    } else if (process !== null && held.attempt.process === null) {
      await changeOpenAttempt(trx, attemptId, identity(process));
    }
    return held.task.id;
  });
  deps.wakeups.emit({ kind: 'task', taskId });
  const task = await findTask(deps.db, taskId);
  if (task === null) throw new Error(`task ${taskId} is gone`);
  return task;
}

const identity = (process: ProcessIdentity | null) => (process === null ? {} : { process: JSON.stringify(process) });

function refuseStopped({ task }: Held): void {
  if (task.stop_reason === null) return;
  throw new AppError('status_not_allowed', `A stop was asked (${task.stop_reason}); the attempt must not start.`);
}
