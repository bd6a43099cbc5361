import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Holder } from '../../src/domain/holder.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { renewAttempt } from '../../src/usecases/attempt/renew-attempt.ts';
import { reportProgress } from '../../src/usecases/attempt/report-progress.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { getAttempt, getTask, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent, alice, failed, newTask, succeeded } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
const never = new AbortController().signal;
const now = { maxTasks: 1, waitSeconds: 0, requestId: null };
const agent = (agentId: string): Holder => ({ kind: 'agent', agentId, attemptId: null });

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase());
});
afterAll(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
});

async function takenBy(agentId: string, labels: string[], changes = {}) {
  await addAgent(deps.db, agentId, { labels });
  const task = await createTask(deps, alice, newTask({ requires: labels, ...changes }));
  const [taken] = await dequeue(deps, agentId, now, never);
  if (taken === undefined) throw new Error('nothing was taken');
  return { task, attemptId: taken.attempt.id, taken };
}

it('an undecided task survives the database and its JSON', async () => {
  const task = await createTask(deps, alice, newTask({ requires: ['survives'] }));
  expect(JSON.parse(JSON.stringify(await getTask(deps, task.id)))).toMatchObject({
    executionMode: 'undecided',
    requestedMode: 'undecided',
    status: 'pending',
    ready: true,
  });
});

it('a dequeue takes an undecided task and marks it http_pull', async () => {
  const { taken, attemptId } = await takenBy('a1', ['t1']);
  expect(taken.task).toMatchObject({ status: 'assigned', executionMode: 'http_pull', assignedAgentId: 'a1' });
  expect(await getAttempt(deps, attemptId)).toMatchObject({ number: 1, agentId: 'a1', outcome: null });
});

it('an attempt is started, renewed and completed, and each change is an event in an unbroken chain', async () => {
  const { task, attemptId } = await takenBy('a2', ['t2']);
  await startAttempt(deps, agent('a2'), attemptId, null);
  await startAttempt(deps, agent('a2'), attemptId, { pid: 7, startedAt: 'x', bootId: 'y' });
  expect(await renewAttempt(deps, agent('a2'), attemptId, { percent: 40, message: 'half' })).toMatchObject({
    leaseSeconds: 30,
    stopReason: null,
  });
  expect((await getTask(deps, task.id))?.attempt).toMatchObject({ process: { pid: 7 }, progress: { percent: 40 } });
  const done = await completeAttempt(deps, agent('a2'), attemptId, { ...succeeded, output: { a: 1 } }, { hash: 'h' });
  expect(done.taskStatus).toBe('completed');
  expect((await getTask(deps, task.id))?.result).toMatchObject({ outcome: 'completed', exitCode: 0, output: { a: 1 } });
  const { items } = await listEvents(deps, task.id, { limit: 50, cursor: null });
  expect(items.map((event) => [event.n, event.type, event.fromStatus, event.toStatus])).toEqual([
    [1, 'created', null, 'pending'],
    [2, 'assigned', 'pending', 'assigned'],
    [3, 'started', 'assigned', 'running'],
    [4, 'completed', 'running', 'completed'],
  ]);
  expect(items.map((event) => event.previousHash)).toEqual([null, ...items.slice(0, 3).map((event) => event.hash)]);
});

it('completing again with the same words is answered the same, with others it is refused', async () => {
  const { attemptId, task } = await takenBy('a3', ['t3']);
  await completeAttempt(deps, agent('a3'), attemptId, succeeded, { hash: 'same' });
  expect(await completeAttempt(deps, agent('a3'), attemptId, succeeded, { hash: 'same' })).toEqual({
    taskId: task.id,
    taskStatus: 'completed',
  });
  await expect(completeAttempt(deps, agent('a3'), attemptId, failed('exit', 1), { hash: 'o' })).rejects.toMatchObject({
    code: 'attempt_finished',
  });
});

it('a task that was cancelled before its start never starts', async () => {
  const { attemptId, task } = await takenBy('a4', ['t4']);
  expect(await cancelTask(deps, alice, task.id, 'no longer wanted')).toMatchObject({
    status: 'assigned',
    stopReason: 'cancel',
  });
  await expect(startAttempt(deps, agent('a4'), attemptId, null)).rejects.toMatchObject({ code: 'status_not_allowed' });
  await completeAttempt(deps, agent('a4'), attemptId, { ...succeeded, outcome: 'cancelled' }, { hash: 'c' });
  expect(await getTask(deps, task.id)).toMatchObject({ status: 'cancelled' });
});

it('a command that fails is tried again after the delay while retries are left', async () => {
  const { attemptId, task } = await takenBy('a5', ['t5'], { maxRetries: 1 });
  await completeAttempt(deps, agent('a5'), attemptId, failed('exit', 2), { hash: 'f' });
  expect(await getTask(deps, task.id)).toMatchObject({
    status: 'pending',
    executionMode: 'undecided',
    retries: 1,
    ready: false,
    waitingReason: 'run_after',
    result: null,
  });
});

it('only the named agent can take an assigned task', async () => {
  await addAgent(deps.db, 'named');
  await addAgent(deps.db, 'other', { labels: ['x'] });
  const task = await createTask(deps, alice, newTask({ requires: ['x'] }));
  expect(await assignTask(deps, alice, task.id, { agentId: 'named', executionMode: null })).toMatchObject({
    namedAgentId: 'named',
    assignedAgentId: 'named',
    executionMode: 'http_pull',
    status: 'pending',
    version: 2,
  });
  expect(await dequeue(deps, 'other', now, never)).toEqual([]);
  expect((await dequeue(deps, 'named', now, never)).map((taken) => taken.task.id)).toEqual([task.id]);
  await expect(assignTask(deps, alice, task.id, { agentId: 'other', executionMode: null })).rejects.toMatchObject({
    code: 'assign_not_allowed',
  });
});

it('a waiting dequeue gets a task that is created meanwhile', async () => {
  await addAgent(deps.db, 'waits', { labels: ['w'] });
  const waiting = dequeue(deps, 'waits', { ...now, waitSeconds: 20 }, never);
  const task = await createTask(deps, alice, newTask({ requires: ['w'] }));
  expect((await waiting).map((taken) => taken.task.id)).toEqual([task.id]);
});

it('a dequeue that is repeated under its request id gets the same attempt with a new token', async () => {
  await addAgent(deps.db, 'repeats', { labels: ['r'] });
  await createTask(deps, alice, newTask({ requires: ['r'] }));
  const [first] = await dequeue(deps, 'repeats', { ...now, requestId: 'r1' }, never);
  const [second] = await dequeue(deps, 'repeats', { ...now, requestId: 'r1' }, never);
  expect(second?.attempt.id).toBe(first?.attempt.id);
  expect(second?.attempt.token).not.toBe(first?.attempt.token);
});

it('a dequeue that is repeated when all that it took is over takes nothing more, and does not wait', async () => {
  await addAgent(deps.db, 'late', { labels: ['late'] });
  for (let i = 0; i < 2; i++) await createTask(deps, alice, newTask({ requires: ['late'] }));
  const wish = { ...now, waitSeconds: 60, requestId: 'r1' };
  const [taken] = await dequeue(deps, 'late', wish, never);
  const holder: Holder = { kind: 'agent', agentId: 'late', attemptId: null };
  await completeAttempt(deps, holder, taken?.attempt.id ?? '', succeeded, { hash: 'h' });
  expect(await dequeue(deps, 'late', wish, never)).toEqual([]);
  expect(await dequeue(deps, 'late', { ...wish, requestId: 'r2' }, never)).toHaveLength(1);
});

it('a dequeue and its repeat that come together take one task, not two', async () => {
  await addAgent(deps.db, 'twin', { labels: ['twin'] });
  for (let i = 0; i < 2; i++) await createTask(deps, alice, newTask({ requires: ['twin'] }));
  const wish = { ...now, requestId: 'r1' };
  const ids = (await Promise.all([1, 2, 3].map(() => dequeue(deps, 'twin', wish, never)))).map((taken) =>
    taken.map(({ attempt }) => attempt.id),
  );
  expect(ids).toEqual([[expect.any(String)], ids[0], ids[0]]);
});

it('an agent gets no more tasks than it has places', async () => {
  await addAgent(deps.db, 'small', { labels: ['s'], capacity: 2 });
  for (let i = 0; i < 4; i++) await createTask(deps, alice, newTask({ requires: ['s'] }));
  expect(await dequeue(deps, 'small', { ...now, maxTasks: 10 }, never)).toHaveLength(2);
  expect(await dequeue(deps, 'small', { ...now, maxTasks: 10 }, never)).toHaveLength(0);
});

it('a request that is repeated while the first still waits gets what the first was given', async () => {
  await addAgent(deps.db, 'half-open', { labels: ['h'], capacity: 1 });
  const wish = { ...now, waitSeconds: 10, requestId: 'r1' };
  const first = dequeue(deps, 'half-open', wish, never);
  const repeated = dequeue(deps, 'half-open', wish, never);
  await createTask(deps, alice, newTask({ requires: ['h'] }));
  const [one] = await first;
  const [same] = await repeated;
  expect(same?.attempt.id).toBe(one?.attempt.id);
  expect(same?.attempt.id).toBeDefined();
});

it('the token of an attempt over SSH is told that the attempt has ended', async () => {
  await addAgent(deps.db, 'h1', { mode: 'ssh_cli', labels: ['ssh'] });
  const task = await createTask(deps, alice, newTask({ requires: ['ssh'] }));
  const replicaId = randomUUID();
  const options = { replicaId, hostIds: ['h1'], lastUsed: null, attemptToken: (id: string) => id };
  const attemptId = (await dispatchToHosts(deps, options)).dispatched[0]?.attemptId ?? '';
  const own: Holder = { kind: 'agent', agentId: 'h1', attemptId };
  await reportProgress(deps, own, attemptId, { percent: 5, message: null });
  expect(await getTask(deps, task.id)).toMatchObject({ attempt: { progress: { percent: 5 } } });
  await completeAttempt(deps, { kind: 'replica', replicaId }, attemptId, succeeded, { hash: 'h' });
  await expect(reportProgress(deps, own, attemptId, { percent: 6, message: null })).rejects.toMatchObject({
    code: 'attempt_finished',
  });
});

it.each([
  ['says nothing', { ...failed('exit'), error: null }, 'the command failed'],
  ['says an empty word', { ...failed('exit', 3), error: '' }, 'the command ended with exit code 3'],
])('an error is a sentence for a person also when the agent %s', async (label, result, sentence) => {
  const { task, attemptId } = await takenBy(`sentence ${label}`, [label.replaceAll(' ', '-')]);
  await completeAttempt(deps, agent(`sentence ${label}`), attemptId, result, { hash: 'h' });
  expect((await getTask(deps, task.id))?.result?.error).toBe(sentence);
});
