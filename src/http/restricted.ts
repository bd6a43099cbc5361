import { AppError, notFound } from '../domain/errors.ts';
import type { Restriction } from '../domain/restriction.ts';
import type { Task } from '../domain/task.ts';
import { tasksAsSeen } from '../usecases/access/as-seen.ts';
import { isAttemptWithin, isTaskWithin } from '../usecases/access/within.ts';
import type { HttpContext } from './env.ts';

/**
 * What a path is about, for a token that is restricted to some tasks: one task, an attempt at one, or something that its
 * handler narrows or that tells of no task. Whatever is not named here is closed to it.
 */
type About = 'task' | 'attempt' | 'narrowed' | 'everything';

const NARROWED: readonly string[] = [
  '/api/v1/tasks',
  '/api/v1/events',
  '/api/v1/templates',
  '/api/v1/agents',
  '/api/v1/agents/{id}',
  '/api/v1/agents/register',
];

export function aboutOf(path: string, method: string): About {
  if (/^\/api\/v1\/tasks\/\{id\}(?:\/|$)/.test(path)) return 'task';
  if (/^\/api\/v1\/attempts\/\{(?:attempt_)?id\}(?:\/|$)/.test(path)) return 'attempt';
  const changesAgent = path === '/api/v1/agents/{id}' && method !== 'get';
  return NARROWED.includes(path) && !changesAgent ? 'narrowed' : 'everything';
}

/** The tasks that the caller may know of, who is a token's owner or an agent made with one; null: any. */
export const restrictionOf = (c: HttpContext): Restriction | null => c.get('principal').restriction;

/** Tasks as the caller may see them. */
export const asSeen = async (c: HttpContext, tasks: readonly Task[]): Promise<Task[]> => [
  ...(await tasksAsSeen(c.get('http').deps, restrictionOf(c), tasks)),
];

/** Throws `not_found` for a task or attempt out of the restriction, `forbidden` for what is about more than it. */
export async function requireWithin(c: HttpContext, restriction: Restriction, about: About): Promise<void> {
  const { deps } = c.get('http');
  const id = c.req.param('id') ?? c.req.param('attempt_id') ?? '';
  if (about === 'task' && !(await isTaskWithin(deps, restriction, id))) throw notFound('task');
  if (about === 'attempt' && !(await isAttemptWithin(deps, restriction, id))) throw notFound('attempt');
  if (about === 'everything') throw new AppError('forbidden', 'This token is for some repositories or labels only.');
}
