import { hash } from 'node:crypto';
import { z } from 'zod';
import { type CreateTask, createTasks as createBody } from '../contract/new-task.ts';
import { task, taskList, tasksQuery } from '../contract/task.ts';
import { canonicalJson, type Json } from '../domain/canonical-json.ts';
import { AppError, invalidField, notFound, underField } from '../domain/errors.ts';
import { isWithin, type Placed, type Restriction } from '../domain/restriction.ts';
import type { NewTask } from '../domain/task.ts';
import { tasksWithin } from '../usecases/access/within.ts';
import { createTasks } from '../usecases/create/create-task.ts';
import { taskOf } from '../usecases/create/task-request.ts';
import { refuseSchemas } from '../usecases/schemas/refuse-schemas.ts';
import { getTask, listTasks } from '../usecases/task/read-tasks.ts';
import { actorOf, creatorOf, requireReadable } from './auth.ts';
import type { HttpContext } from './env.ts';
import { presentPage } from './present.ts';
import { presentTask } from './present-task.ts';
import { answerHeader } from './request-context.ts';
import { asSeen, restrictionOf } from './restricted.ts';
import { answers, api, apiRoute, endpoint, idInPath, pageAsked, takes } from './route.ts';
import { taskRequest } from './task-request.ts';

const tags = ['tasks'];

const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'The same key with the same body has one effect' }),
});
const made = z.union([task, z.object({ items: z.array(task) })]);
const bodyHash = (body: CreateTask | CreateTask[]): string => hash('sha256', canonicalJson(body as Json));

/** Of several tasks the fields of each are named by where it stands. */
function inList<T>(body: CreateTask | CreateTask[], at: number, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw Array.isArray(body) ? underField(error, at) : error;
  }
}

const create = endpoint(
  apiRoute('coordinator', ['mode_mismatch', 'unknown_template', 'idempotency_conflict', 'dependency_cycle'], {
    method: 'post',
    path: '/api/v1/tasks',
    tags,
    summary: 'Create a task, or several at once',
    description:
      'Of several all are made or none; by ids that the caller chose they may depend on each other. With an ' +
      'Idempotency-Key, or with ids of its own, a request whose answer was lost can be repeated.',
    request: { headers: idempotencyHeaders, body: takes(createBody) },
    responses: {
      200: answers(made, 'The same ids came before with the same bodies; the tasks as they are now'),
      201: answers(made, 'The task as it was made, or `items` of several'),
    },
  }),
  async (c) => {
    const { deps, create: createOne, templates } = c.get('http');
    const body = c.req.valid('json');
    const bodies = Array.isArray(body) ? body : [body];
    const defaults = { settings: deps.settings, secrets: deps.secrets, templates };
    const wanted = bodies.map((one, at) => ({
      task: inList(body, at, () => taskOf(defaults, taskRequest(one), creatorOf(c))),
      bodyHash: one.id === undefined ? null : bodyHash(one),
    }));
    const asked = wanted.map(({ task }) => task);
    await requireAllWithin(c, asked);
    await refuseSchemas(deps.schemas, asked, (error, at) => (Array.isArray(body) ? underField(error, at) : error));
    const key = c.req.valid('header')['idempotency-key'];
    const request = key === undefined ? null : { principal: actorOf(c).id, key, bodyHash: bodyHash(body) };
    const [only] = wanted;
    const making =
      wanted.length === 1 && only
        ? createOne(actorOf(c), only, request)
        : createTasks(deps, actorOf(c), wanted, request);
    const { tasks, replayed } = await making.catch((error: unknown) => {
      throw Array.isArray(body) && body.length === 1 ? underField(error, 0) : error;
    });
    // Somebody may have changed since what they are for.
    if (replayed) refuseOthers(restrictionOf(c), tasks);
    const shown = tasks.map(presentTask);
    const [first] = shown;
    if (replayed) answerHeader(c, 'Idempotency-Replayed', 'true');
    if (!Array.isArray(body) && first) answerHeader(c, 'Location', `/api/v1/tasks/${first.id}`);
    const status = replayed && request === null ? 200 : 201;
    return c.json(Array.isArray(body) || first === undefined ? { items: shown } : first, status);
  },
);

/** Who may touch only some tasks makes no others, and none that waits for another. */
async function requireAllWithin(c: HttpContext, tasks: readonly NewTask[]): Promise<void> {
  const restriction = restrictionOf(c);
  if (restriction === null) return;
  refuseOthers(restriction, tasks);
  const known = new Set(tasks.flatMap(({ id }) => id ?? []));
  const others = tasks.flatMap(({ dependsOn }) => dependsOn).filter((id) => !known.has(id));
  const seen = await tasksWithin(c.get('http').deps, restriction, others);
  const missing = others.find((id) => !seen.has(id));
  if (missing !== undefined) throw invalidField('depends_on', `there is no task ${missing}`);
}

function refuseOthers(restriction: Restriction | null, tasks: readonly Placed[]): void {
  if (tasks.every((one) => isWithin(restriction, one))) return;
  throw new AppError('forbidden', 'This token is for tasks of some repositories or labels only, and this is none.');
}

const list = endpoint(
  apiRoute('viewer', [], {
    method: 'get',
    path: '/api/v1/tasks',
    tags,
    summary: 'List tasks',
    description:
      'Newest first, or by `sort=rank` those that wait in the order of the queue and then the others. A page may have ' +
      'fewer tasks than asked for though others follow: what is rare is looked for a page at a time.',
    request: { query: tasksQuery },
    responses: { 200: answers(taskList, 'A page of tasks') },
  }),
  async (c) => {
    const query = c.req.valid('query');
    const filter = {
      statuses: query.status,
      executionModes: query.execution_mode,
      agentId: query.agent_id,
      repository: query.repository,
      template: query.template,
      label: query.label,
      query: query.q,
      createdAfter: query.created_after,
      createdBefore: query.created_before,
      within: restrictionOf(c) ?? undefined,
    };
    const found = await listTasks(c.get('http').deps, filter, query.sort ?? 'created', pageAsked(query));
    const items = await asSeen(c, found.items);
    return c.json(presentPage({ ...found, items }, presentTask), 200);
  },
);

const show = endpoint(
  apiRoute('reader', [], {
    method: 'get',
    path: '/api/v1/tasks/{id}',
    tags,
    summary: 'Show a task',
    request: { params: idInPath },
    responses: { 200: answers(task, 'The task') },
  }),
  async (c) => {
    const { id } = c.req.valid('param');
    await requireReadable(c, id, 'task');
    const found = await getTask(c.get('http').deps, id);
    if (found === null) throw notFound('task');
    const [seen = found] = await asSeen(c, [found]);
    return c.json(presentTask(seen), 200);
  },
);

export const tasksApi = () => api(create, list, show);
