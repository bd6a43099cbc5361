import { notFound } from '../../domain/errors.ts';
import { isWithin } from '../../domain/restriction.ts';
import { isUuid } from '../../domain/uuid.ts';
import type { PageContext } from '../deps.ts';
import { readTask, type TaskView } from './read-task.ts';

/** The task that the address names; an id that can't be one is of nothing that there is. */
export async function requireTask(c: PageContext): Promise<TaskView> {
  const id = c.req.param('id') ?? '';
  const { restriction } = c.get('visitor');
  const view = isUuid(id) ? await readTask(c.get('dashboard').deps, id, restriction) : null;
  if (view === null || !isWithin(restriction, view.task)) throw notFound('task');
  return view;
}
