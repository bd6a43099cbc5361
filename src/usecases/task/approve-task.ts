import { AppError, notFound } from '../../domain/errors.ts';
import type { Actor, Task } from '../../domain/task.ts';
import { checkVersion, type Versions } from '../../domain/versions.ts';
import { openGates } from '../../store/gates.ts';
import { changeTask, type LockedTask, lockTask } from '../../store/task-changes.ts';
import { findChanged } from '../attempt/find-changed.ts';
import type { Deps } from '../deps.ts';

/**
 * Lets a task run that waits for approval, exactly as it was read: another version than those given is refused with
 * `version_mismatch`, a task that doesn't wait for approval with `status_not_allowed`.
 */
export async function approveTask(
  deps: Deps,
  actor: Actor,
  taskId: string,
  versions: readonly number[],
): Promise<Task> {
  await deps.db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (task === null) throw notFound('task');
    checkWaits(task);
    checkRead(versions);
    checkVersion(versions, task.version);
    const patch = { approved_at: task.at, version: task.version + 1 };
    await changeTask(trx, task, patch, { type: 'approved', actor, data: { version: task.version } });
    await openGates(trx, [taskId]);
  });
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'task', taskId });
  return findChanged(deps, taskId);
}

function checkWaits(task: LockedTask): void {
  const why =
    task.status !== 'pending'
      ? `The task is ${task.status}; only a pending task can be approved.`
      : !task.requires_approval
        ? 'The task needs no approval.'
        : task.approved_at !== null
          ? 'The task is approved already.'
          : null;
  if (why !== null) throw new AppError('status_not_allowed', why);
}

function checkRead(versions: Versions): void {
  if (versions.length > 0) return;
  throw new AppError('version_mismatch', 'Say which version was read: If-Match with the version in quotes.');
}
