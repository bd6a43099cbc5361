import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Holder } from '../../src/domain/holder.ts';
import type { Hint } from '../../src/store/wakeups.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { renewAttempt } from '../../src/usecases/attempt/renew-attempt.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { writeLog } from '../../src/usecases/log/write-log.ts';
import { getAttempt, getTask, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent, alice, failed, newTask, succeeded } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
const never = new AbortController().signal;
const now = { maxTasks: 1, waitSeconds: 0, requestId: null };
const holder: Holder = { kind: 'agent', agentId: 'a1', attemptId: null };

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 4 }));
  await addAgent(deps.db, 'a1');
  await sweep(deps);
});
afterEach(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
  await deps.db.destroy();
});

async function taken(changes: Parameters<typeof newTask>[0] = {}, agentId = 'a1') {
  const task = await createTask(deps, alice, newTask(changes));
  const [got] = await dequeue(deps, agentId, now, never);
  return { taskId: task.id, attemptId: got?.attempt.id ?? '' };
}
/** Moves the lease's end, as if time had passed. */
const lapse = (taskId: string, seconds: number) =>
  sql`update tasks set lease_expires_at = clock_timestamp() - make_interval(secs => ${seconds}) where id = ${taskId}`.execute(
    deps.db,
  );
const beatAgo = (seconds: number) =>
  sql`update beat set at = clock_timestamp() - make_interval(secs => ${seconds})`.execute(deps.db);

it('a lease that had lapsed at the beat before ends its attempt, and the task is pending again', async () => {
  const { taskId, attemptId } = await taken();
  await sql`update agents set name = 'laptop' where id = 'a1'`.execute(deps.db);
  await startAttempt(deps, holder, attemptId, null);
  await lapse(taskId, 10);
  await beatAgo(2);
  expect(await sweep(deps)).toEqual({ outage: false, lost: 1 });
  expect(await getTask(deps, taskId)).toMatchObject({
    status: 'pending',
    executionMode: 'undecided',
    assignedAgentId: null,
    infraRetries: 1,
    result: null,
  });
  const error = 'agent laptop was not heard of until its lease had lapsed';
  expect(await getAttempt(deps, attemptId)).toMatchObject({ outcome: 'lost', exitCode: null, error });
});

it('whoever waits for a task or its holder is told at once that an attempt was lost', async () => {
  const { taskId, attemptId } = await taken();
  await lapse(taskId, 10);
  await beatAgo(2);
  const told: Hint[] = [];
  const unsubscribe = deps.wakeups.subscribe((hint) => told.push(hint));
  await sweep(deps);
  unsubscribe();
  const hints: Hint[] = [{ kind: 'task', taskId }, { kind: 'log', attemptId }, { kind: 'ready' }, { kind: 'ended' }];
  expect(told).toEqual(expect.arrayContaining(hints));
});

it('what was not started is said to be just that', async () => {
  const { taskId, attemptId } = await taken();
  await sql`update agents set name = 'laptop' where id = 'a1'`.execute(deps.db);
  await lapse(taskId, 10);
  await beatAgo(2);
  await sweep(deps);
  const error = 'agent laptop did not start it until its lease had lapsed';
  expect(await getAttempt(deps, attemptId)).toMatchObject({ outcome: 'lost', error });
});

it('a sweep that is told to stop leaves what is due to the next one', async () => {
  const { taskId } = await taken();
  await lapse(taskId, 10);
  await beatAgo(2);
  expect(await sweep(deps, AbortSignal.abort())).toEqual({ outage: false, lost: 0 });
  await beatAgo(2);
  expect(await sweep(deps, never)).toEqual({ outage: false, lost: 1 });
});

it('a lease that lapsed since the beat before is left alone', async () => {
  const { taskId } = await taken();
  await beatAgo(2);
  await lapse(taskId, 1);
  expect(await sweep(deps)).toEqual({ outage: false, lost: 0 });
});

it.each([
  ['after an outage', 60],
  ['after the clock jumped back', -60],
])('%s all leases begin anew and nobody loses one', async (_, seconds) => {
  const { taskId } = await taken();
  await lapse(taskId, 1000);
  await beatAgo(seconds);
  expect(await sweep(deps)).toEqual({ outage: true, lost: 0 });
  await beatAgo(2);
  expect(await sweep(deps)).toEqual({ outage: false, lost: 0 });
  expect(await getTask(deps, taskId)).toMatchObject({ status: 'assigned' });
});

it('a lapsed lease that no sweep has ended can still be renewed and completed', async () => {
  const { taskId, attemptId } = await taken();
  await lapse(taskId, 1000);
  await renewAttempt(deps, holder, attemptId, null);
  await lapse(taskId, 1000);
  expect(await completeAttempt(deps, holder, attemptId, succeeded, { hash: 'h' })).toMatchObject({
    taskStatus: 'completed',
  });
});

it('an attempt that was lost changes nothing any more, and its late result is kept', async () => {
  const { taskId, attemptId } = await taken();
  await startAttempt(deps, holder, attemptId, null);
  await lapse(taskId, 10);
  await beatAgo(2);
  await sweep(deps);
  await addAgent(deps.db, 'a2');
  const [second] = await dequeue(deps, 'a2', now, never);
  expect(second?.task.id).toBe(taskId);
  const before = await getTask(deps, taskId);
  const lost = { code: 'lease_lost' };
  await expect(startAttempt(deps, holder, attemptId, null)).rejects.toMatchObject(lost);
  await expect(renewAttempt(deps, holder, attemptId, { percent: 1, message: 'x' })).rejects.toMatchObject(lost);
  const piece = { offset: 0, bytes: Buffer.from('late'), gap: false };
  await expect(writeLog(deps, holder, attemptId, 'stdout', piece)).rejects.toMatchObject(lost);
  await expect(completeAttempt(deps, holder, attemptId, succeeded, { hash: 'h' })).rejects.toMatchObject(lost);
  await expect(completeAttempt(deps, holder, attemptId, succeeded, { hash: 'h' })).rejects.toMatchObject(lost);
  const after = await getTask(deps, taskId);
  expect({ ...after, updatedAt: before?.updatedAt }).toEqual(before);
  const { items } = await listEvents(deps, taskId, { limit: 20, cursor: null });
  expect(items.filter((event) => event.type === 'late_result')).toHaveLength(1);
});

it('what must not run twice fails at once when it may have run', async () => {
  const { taskId, attemptId } = await taken({ repeatable: false });
  await startAttempt(deps, holder, attemptId, null);
  await lapse(taskId, 10);
  await beatAgo(2);
  await sweep(deps);
  expect(await getTask(deps, taskId)).toMatchObject({ status: 'failed', result: { outcome: 'lost' } });
});

it('what must not run twice is tried again when it was never started', async () => {
  const { taskId } = await taken({ repeatable: false });
  await lapse(taskId, 10);
  await beatAgo(2);
  await sweep(deps);
  expect(await getTask(deps, taskId)).toMatchObject({ status: 'pending', infraRetries: 1 });
});

it('what ended while the server was away is never told as a timeout', async () => {
  const { taskId, attemptId } = await taken({ timeoutSeconds: 10 });
  await startAttempt(deps, holder, attemptId, null);
  await sql`update attempts set started_at = started_at - interval '1 hour'`.execute(deps.db);
  await beatAgo(3600);
  await sweep(deps);
  await beatAgo(2);
  await sweep(deps);
  const before = (await getTask(deps, taskId))?.attempt?.leaseExpiresAt ?? '';
  const renewal = await renewAttempt(deps, holder, attemptId, null);
  expect(renewal.stopReason).toBeNull();
  expect(renewal.leaseExpiresAt > before).toBe(true);
  await completeAttempt(deps, holder, attemptId, failed('exit', 3), { hash: 'h' });
  expect(await getTask(deps, taskId)).toMatchObject({ result: { failureClass: 'exit', exitCode: 3 } });
});

it('an attempt that outlives its timeout is told to stop, and then not renewed for ever', async () => {
  await sql`update beat set up_since = now() - interval '1 hour'`.execute(deps.db);
  const { taskId, attemptId } = await taken({ timeoutSeconds: 10 });
  await startAttempt(deps, holder, attemptId, null);
  await sql`update attempts set started_at = started_at - interval '41 seconds'`.execute(deps.db);
  await sweep(deps);
  expect(await renewAttempt(deps, holder, attemptId, null)).toMatchObject({ stopReason: 'timeout' });
  await sql`update attempts set started_at = started_at - interval '60 seconds'`.execute(deps.db);
  const before = (await getTask(deps, taskId))?.attempt?.leaseExpiresAt;
  await renewAttempt(deps, holder, attemptId, null);
  expect((await getTask(deps, taskId))?.attempt?.leaseExpiresAt).toBe(before);
  await lapse(taskId, 10);
  await beatAgo(2);
  await sweep(deps);
  const error = 'agent a1 did not end it when its time was over';
  expect(await getAttempt(deps, attemptId)).toMatchObject({ error });
});

it('a task whose time has come is made ready', async () => {
  const runAfter = new Date(Date.now() + 3_600_000).toISOString();
  const { id } = await createTask(deps, alice, newTask({ runAfter }));
  expect(await dequeue(deps, 'a1', now, never)).toEqual([]);
  await sql`update tasks set due_at = now() - interval '1 second' where id = ${id}`.execute(deps.db);
  await sweep(deps);
  expect((await dequeue(deps, 'a1', now, never)).map(({ task }) => task.id)).toEqual([id]);
});

it('a task that somebody changes keeps no other from becoming ready', async () => {
  const runAfter = new Date(Date.now() + 3_600_000).toISOString();
  const first = await createTask(deps, alice, newTask({ runAfter }));
  const second = await createTask(deps, alice, newTask({ runAfter }));
  await sql`update tasks set due_at = now() - interval '1 second'`.execute(deps.db);
  await deps.db.transaction().execute(async (trx) => {
    await sql`select 1 from tasks where id = ${first.id} for update`.execute(trx);
    await sweep(deps);
    expect(await getTask(deps, second.id)).toMatchObject({ ready: true });
  });
  await sweep(deps);
  expect(await getTask(deps, first.id)).toMatchObject({ ready: true });
});
