import { AppError, notFound } from '../../domain/errors.ts';
import type { Actor, Task } from '../../domain/task.ts';
import { laneOf } from '../../store/lanes.ts';
import { lockTask } from '../../store/task-changes.ts';
import { findTask } from '../../store/tasks.ts';
import { findChanged } from '../attempt/find-changed.ts';
import { unname } from '../attempt/unname-tasks.ts';
import type { Deps } from '../deps.ts';

/**
 * Takes the name of an agent back from a pending task: whoever has its labels may take it again, in the mode of its
 * creation. Throws `status_not_allowed` for one that is taken or has ended, or that names nobody.
 */
export async function unassignTask(deps: Deps, actor: Actor, taskId: string): Promise<Task> {
  const before = await findTask(deps.db, taskId);
  if (before === null) throw notFound('task');
  // Made here if it is new: within the transaction it is found.
  await laneOf(deps.db, { requires: before.requires, repository: before.repository, agentId: null });
  await deps.db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (task === null) throw notFound('task');
    if (task.status !== 'pending') {
      throw new AppError('status_not_allowed', `The task is ${task.status}; only a pending task can be unassigned.`);
    }
    const agentId = task.named_agent_id;
    if (agentId === null) throw new AppError('status_not_allowed', 'The task names no agent.');
    await unname(trx, task, { type: 'agent_unnamed', actor, data: { agent_id: agentId } });
  });
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'task', taskId });
  return findChanged(deps, taskId);
}
