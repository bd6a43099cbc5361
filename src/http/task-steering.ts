import { inUtc } from '../contract/common.ts';
import { assign, cancel, nothing, patchTask as patchBody, task } from '../contract/task.ts';
import { AppError } from '../domain/errors.ts';
import { priorityNumber, type Task } from '../domain/task.ts';
import { approveTask } from '../usecases/task/approve-task.ts';
import { assignTask } from '../usecases/task/assign-task.ts';
import { cancelByForce } from '../usecases/task/cancel-by-force.ts';
import { cancelTask } from '../usecases/task/cancel-task.ts';
import { patchTask } from '../usecases/task/patch-task.ts';
import { withWaitingReasons } from '../usecases/task/read-tasks.ts';
import { retryTask } from '../usecases/task/retry-task.ts';
import { unassignTask } from '../usecases/task/unassign-task.ts';
import { actorOf } from './auth.ts';
import type { HttpContext } from './env.ts';
import { ifMatch, versionsIn } from './if-match.ts';
import { presentTask } from './present-task.ts';
import { asSeen, restrictionOf } from './restricted.ts';
import { answers, api, apiRoute, endpoint, idInPath, takes } from './route.ts';

const tags = ['tasks'];

const patch = endpoint(
  apiRoute('coordinator', ['status_not_allowed', 'version_mismatch'], {
    method: 'patch',
    path: '/api/v1/tasks/{id}',
    tags,
    summary: 'Change a pending task',
    description:
      'What is left out stays as it is; what is the same changes nothing. Its place in the order follows, counted ' +
      'from when it was made. A `run_after` given here also stands in place of the delay before a new try.',
    request: {
      params: idInPath,
      headers: ifMatch('The `version` that was read, in quotes; unless given, whichever it is'),
      body: takes(patchBody),
    },
    responses: { 200: answers(task, 'The task as it is now') },
  }),
  async (c) => {
    const { run_after: runAfter, priority, ...rest } = c.req.valid('json');
    const wish = {
      ...rest,
      priority: priority === undefined ? undefined : priorityNumber(priority),
      runAfter: runAfter && inUtc(runAfter),
    };
    if (rest.requires !== undefined) refuseToLetGo(c, rest.requires);
    const versions = versionsIn(c.req.valid('header')['if-match'] ?? '*');
    const { deps } = c.get('http');
    return c.json(await fresh(c, await patchTask(deps, actorOf(c), c.req.valid('param').id, wish, versions)), 200);
  },
);

/** Who may touch only tasks of some labels can't take these away: it would be beyond its own reach then. */
function refuseToLetGo(c: HttpContext, requires: readonly string[]): void {
  const labels = restrictionOf(c)?.labels ?? null;
  if (labels === null || labels.some((label) => requires.includes(label))) return;
  throw new AppError('forbidden', 'This token is for tasks of some labels only, and would take them away.');
}

const assignToAgent = endpoint(
  apiRoute('coordinator', ['assign_not_allowed', 'mode_mismatch'], {
    method: 'post',
    path: '/api/v1/tasks/{id}/assign',
    tags,
    summary: 'Name the agent for a pending task',
    description: 'The mode follows from the kind of the agent. A name given before is replaced.',
    request: { params: idInPath, body: takes(assign) },
    responses: { 200: answers(task, 'The task, which only that agent can take now') },
  }),
  async (c) => {
    const { agent_id, execution_mode } = c.req.valid('json');
    const wish = { agentId: agent_id, executionMode: execution_mode ?? null };
    const { deps } = c.get('http');
    return c.json(await fresh(c, await assignTask(deps, actorOf(c), c.req.valid('param').id, wish)), 200);
  },
);

const unassign = endpoint(
  apiRoute('coordinator', ['status_not_allowed'], {
    method: 'post',
    path: '/api/v1/tasks/{id}/unassign',
    tags,
    summary: 'Take back the name of the agent from a pending task',
    description: 'Whoever has its labels may take it again, in the mode in which it was made.',
    request: { params: idInPath, body: takes(nothing) },
    responses: { 200: answers(task, 'The task, which names nobody now') },
  }),
  async (c) => {
    const { deps } = c.get('http');
    return c.json(await fresh(c, await unassignTask(deps, actorOf(c), c.req.valid('param').id)), 200);
  },
);

const approve = endpoint(
  apiRoute('coordinator', ['status_not_allowed', 'version_mismatch'], {
    method: 'post',
    path: '/api/v1/tasks/{id}/approve',
    tags,
    summary: 'Let a task run that waits for approval',
    description:
      'What is approved is what was read: without the `version` in If-Match, or with another one, it is refused. A ' +
      'task that needs no approval, has it already or is not pending answers `status_not_allowed`.',
    request: {
      params: idInPath,
      headers: ifMatch('The `version` that was read, in quotes; needed'),
      body: takes(nothing),
    },
    responses: { 200: answers(task, 'The task, approved') },
  }),
  async (c) => {
    const versions = versionsIn(c.req.valid('header')['if-match'] ?? '');
    const { deps } = c.get('http');
    // `*` is no version that anybody has read.
    const read = versions === 'any' ? [] : versions;
    return c.json(await fresh(c, await approveTask(deps, actorOf(c), c.req.valid('param').id, read)), 200);
  },
);

const retry = endpoint(
  apiRoute('coordinator', ['status_not_allowed'], {
    method: 'post',
    path: '/api/v1/tasks/{id}/retry',
    tags,
    summary: 'Try a failed or cancelled task again',
    description:
      'It is pending again with fresh budgets; the numbers of its attempts go on. Tasks that were cancelled because of ' +
      'it stay so until they are retried themselves.',
    request: { params: idInPath, body: takes(nothing) },
    responses: { 200: answers(task, 'The task, pending again') },
  }),
  async (c) => {
    const { deps } = c.get('http');
    return c.json(await fresh(c, await retryTask(deps, actorOf(c), c.req.valid('param').id)), 200);
  },
);

const cancelOne = endpoint(
  apiRoute('coordinator', ['status_not_allowed'], {
    method: 'post',
    path: '/api/v1/tasks/{id}/cancel',
    tags,
    summary: 'Cancel a task',
    description:
      'A pending task ends at once; the holder of one that is assigned or running is asked to stop it. With `force` an ' +
      'attempt on a host that is out of reach ends at once, unproven; its place is free when the host was asked.',
    request: { params: idInPath, body: takes(cancel) },
    responses: { 200: answers(task, 'The task as it is now') },
  }),
  async (c) => {
    const { reason = null, force = false } = c.req.valid('json');
    const cancelIt = force ? cancelByForce : cancelTask;
    const cancelled = await cancelIt(c.get('http').deps, actorOf(c), c.req.valid('param').id, reason);
    const [seen = cancelled] = await asSeen(c, [cancelled]);
    return c.json(presentTask(seen), 200);
  },
);

/** A task as it was just written: why it waits is known only beside the agents. */
async function fresh(c: HttpContext, written: Task) {
  const [shown = written] = await asSeen(c, await withWaitingReasons(c.get('http').deps, [written]));
  return presentTask(shown);
}

/** What a coordinator does to a task that is there. */
export const taskSteeringApi = () => api(patch, assignToAgent, unassign, approve, retry, cancelOne);
