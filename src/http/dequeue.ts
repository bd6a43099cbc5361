import { dequeue as dequeueBody, dequeued } from '../contract/attempt.ts';
import type { LeasedAttempt } from '../domain/attempt.ts';
import { AppError } from '../domain/errors.ts';
import type { Task } from '../domain/task.ts';
import { releaseUnanswered } from '../usecases/attempt/release-unanswered.ts';
import type { Taken } from '../usecases/dequeue/dequeue.ts';
import { agentOf, wasRevokedSince } from './auth.ts';
import type { HttpContext } from './env.ts';
import { presentLeased } from './present.ts';
import { presentTask } from './present-task.ts';
import { asSeen } from './restricted.ts';
import { answers, api, apiRoute, endpoint, takes } from './route.ts';

const take = endpoint(
  apiRoute('agent', [], {
    method: 'post',
    path: '/api/v1/tasks/dequeue',
    tags: ['tasks'],
    summary: 'Take tasks, or wait for one',
    description:
      'Answers the tasks that come next for the agent, as many as it has places for. With a `request_id` a request ' +
      'whose answer was lost can be repeated: it gets the same attempts.',
    request: { body: takes(dequeueBody) },
    responses: {
      200: answers(dequeued, 'The tasks, each with the attempt that is leased to the agent'),
      204: { description: 'There was nothing to take' },
    },
  }),
  async (c) => {
    const { max_tasks, wait_seconds, request_id } = c.req.valid('json');
    const { dequeues, signIn, stopping } = c.get('http');
    if (stopping.aborted) return c.body(null, 204);
    const wish = { maxTasks: max_tasks ?? 1, waitSeconds: wait_seconds ?? 0, requestId: request_id ?? null };
    const revocations = signIn.revocations();
    const call = dequeues.dequeue(agentOf(c), wish);
    // Who hangs up waits no longer.
    c.env.outgoing.once('close', call.cancel);
    const taken = await call.answer;
    if (taken.length === 0) return c.body(null, 204);
    const revoked = await wasRevokedSince(c, revocations);
    if (wish.requestId === null || revoked) releaseIfUnwritten(c, taken);
    if (revoked)
      throw new AppError(
        'unauthenticated',
        'The token was revoked while this waited, or may not be used from here any more.',
      );
    const tasks = await asSeen(
      c,
      taken.map(({ task }) => task),
    );
    return c.json({ tasks: taken.map(({ attempt }, index) => presentTaken(tasks[index] as Task, attempt)) }, 200);
  },
);

const presentTaken = (task: Task, attempt: LeasedAttempt) =>
  Object.assign(presentTask(task) as Omit<ReturnType<typeof presentTask>, 'attempt'>, {
    attempt: presentLeased(attempt),
  });

/** Who hung up before the answer was written, or got an error, can't know what it was given: that goes back at once. */
function releaseIfUnwritten(c: HttpContext, taken: readonly Taken[]): void {
  const { deps, log } = c.get('http');
  const { outgoing, incoming } = c.env;
  const agentId = agentOf(c);
  const attemptIds = taken.map(({ attempt }) => attempt.id);
  const release = () => {
    releaseUnanswered(deps, agentId, attemptIds).catch((err: unknown) =>
      log.warn({ err, agentId, attemptIds }, 'what nobody was told of could not be handed back; its lease will end'),
    );
  };
  if (incoming.socket.destroyed) release();
  else outgoing.once('close', () => (outgoing.writableFinished && outgoing.statusCode === 200) || release());
}

export const dequeueApi = () => api(take);
