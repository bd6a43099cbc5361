import type { Transaction } from 'kysely';
import { AppError, notFound } from '../../domain/errors.ts';
import { type Actor, isFinal, type Task } from '../../domain/task.ts';
import type { Database } from '../../store/schema.ts';
import { changeTask, type LockedTask, lockTask, type TaskPatch } from '../../store/task-changes.ts';
import { findChanged } from '../attempt/find-changed.ts';
import type { Deps } from '../deps.ts';
import { releaseWaiters } from '../dequeue/release-waiters.ts';

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
    if (task.status !== 'pending') return askCancel(trx, task, actor, { reason });
    await changeTask(trx, task, ended(task, reason), { type: 'cancelled', actor, data: { reason } });
    await releaseWaiters(trx, [task]);
  });
  const task = await findChanged(deps, taskId);
  deps.wakeups.emit({ kind: 'task', taskId }, { kind: 'ended' });
  // Somebody may have its key now.
  if (task.concurrencyKey !== null) deps.wakeups.emit({ kind: 'ready' });
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

/**
 * Asks the holder of a locked task to stop; its next renewal carries it. A cancel goes before a timeout or a preemption
 * that was asked earlier.
 */
export async function askCancel(
  trx: Transaction<Database>,
  task: LockedTask,
  actor: Actor,
  data: { reason: string | null; force?: true },
): Promise<void> {
  const asked = { stop_reason: 'cancel', stop_detail: data.reason, stop_asked_at: task.at } as const;
  await changeTask(trx, task, asked, { type: 'cancel_requested', actor, attemptId: task.attempt_id, data });
}
