import { AppError, notFound } from '../domain/errors.ts';
import { type Actor, isFinal, type Task } from '../domain/task.ts';
import { changeTask, type LockedTask, lockTask, type TaskPatch } from '../store/task-changes.ts';
import { findTask } from '../store/tasks.ts';
import type { Deps } from './deps.ts';
import { releaseWaiters } from './release-waiters.ts';

/**
 * Cancels a pending task at once; of a taken one asks its holder to stop, which the next renewal carries. Asked again
 * it answers the same. Throws `status_not_allowed` for a task that ended otherwise.
 */
export async function cancelTask(deps: Deps, actor: Actor, taskId: string, reason: string | null): Promise<Task> {
  await deps.db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (task === null) throw notFound('task');
    if (isFinal(task.status) && task.status !== 'cancelled') {
      throw new AppError('status_not_allowed', `The task is ${task.status} already.`);
    }
    if (task.status === 'cancelled' || task.stop_reason === 'cancel') return;
    const pending = task.status === 'pending';
    await changeTask(trx, task, pending ? ended(task, reason) : asked(task, reason), {
      type: pending ? 'cancelled' : 'cancel_requested',
      actor,
      attemptId: pending ? null : task.attempt_id,
      data: { reason },
    });
    if (pending) await releaseWaiters(trx, [task]);
  });
  deps.wakeups.emit({ kind: 'task', taskId });
  const task = await findTask(deps.db, taskId);
  if (task === null) throw notFound('task');
  return task;
}

const ended = (task: LockedTask, reason: string | null): TaskPatch => ({
  status: 'cancelled',
  finished_at: task.at,
  ready: false,
  stop_reason: 'cancel',
  stop_detail: reason,
  stop_asked_at: task.at,
});

/** A cancel goes before a timeout or a preemption that was asked earlier. */
const asked = (task: LockedTask, reason: string | null): TaskPatch => ({
  stop_reason: 'cancel',
  stop_detail: reason,
  stop_asked_at: task.at,
});
