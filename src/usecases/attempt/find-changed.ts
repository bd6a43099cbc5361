import type { Task } from '../../domain/task.ts';
import { findTask } from '../../store/tasks.ts';
import type { Deps } from '../deps.ts';

/** The task as it is after a change of it: tasks that aren't final don't go away. */
export async function findChanged({ db }: Pick<Deps, 'db'>, taskId: string): Promise<Task> {
  const task = await findTask(db, taskId);
  if (task === null) throw new Error(`task ${taskId} is gone`);
  return task;
}
