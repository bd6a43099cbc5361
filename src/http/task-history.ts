import { attempt, attemptList } from '../contract/attempt.ts';
import { eventList } from '../contract/event.ts';
import { notFound } from '../domain/errors.ts';
import { eventsAsSeen } from '../usecases/access/as-seen.ts';
import { getAttempt, getTask, listAttempts, listEvents } from '../usecases/task/read-tasks.ts';
import { requireReadable } from './auth.ts';
import type { HttpContext } from './env.ts';
import { presentAttempt, presentEvent, presentPage } from './present.ts';
import { restrictionOf } from './restricted.ts';
import { answers, api, apiRoute, endpoint, idInPath, pageAsked, pageOnly } from './route.ts';

const tags = ['tasks'];

const events = endpoint(
  apiRoute('reader', [], {
    method: 'get',
    path: '/api/v1/tasks/{id}/events',
    tags,
    summary: 'What happened to a task, oldest first',
    request: { params: idInPath, query: pageOnly },
    responses: { 200: answers(eventList, 'A page of events') },
  }),
  async (c) => {
    const { id } = c.req.valid('param');
    await requireTask(c, id);
    const page = await listEvents(c.get('http').deps, id, pageAsked(c.req.valid('query')));
    const items = await eventsAsSeen(c.get('http').deps, restrictionOf(c), page.items);
    return c.json(presentPage({ ...page, items }, presentEvent), 200);
  },
);

const attempts = endpoint(
  apiRoute('reader', [], {
    method: 'get',
    path: '/api/v1/tasks/{id}/attempts',
    tags,
    summary: 'The attempts at a task, in the order of their numbers',
    request: { params: idInPath, query: pageOnly },
    responses: { 200: answers(attemptList, 'A page of attempts') },
  }),
  async (c) => {
    const { id } = c.req.valid('param');
    await requireTask(c, id);
    const page = await listAttempts(c.get('http').deps, id, pageAsked(c.req.valid('query')));
    return c.json(presentPage(page, presentAttempt), 200);
  },
);

async function requireTask(c: HttpContext, id: string): Promise<void> {
  await requireReadable(c, id, 'task');
  if ((await getTask(c.get('http').deps, id)) === null) throw notFound('task');
}

const show = endpoint(
  apiRoute('reader', [], {
    method: 'get',
    path: '/api/v1/attempts/{id}',
    tags: ['attempts'],
    summary: 'Show an attempt',
    request: { params: idInPath },
    responses: { 200: answers(attempt, 'The attempt') },
  }),
  async (c) => {
    const found = await getAttempt(c.get('http').deps, c.req.valid('param').id);
    if (found === null) throw notFound('attempt');
    await requireReadable(c, found.taskId, 'attempt');
    return c.json(presentAttempt(found), 200);
  },
);

export const taskHistoryApi = () => api(events, attempts, show);
