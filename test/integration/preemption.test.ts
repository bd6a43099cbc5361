import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { cancelTask } from '../../src/usecases/cancel-task.ts';
import { completeAttempt } from '../../src/usecases/complete-attempt.ts';
import { createTask } from '../../src/usecases/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/dispatch.ts';
import { heartbeat } from '../../src/usecases/heartbeat.ts';
import { recordContact } from '../../src/usecases/host-attempts.ts';
import { preempt } from '../../src/usecases/preempt.ts';
import { prepareInstallation } from '../../src/usecases/prepare-installation.ts';
import { getTask, listEvents } from '../../src/usecases/read-tasks.ts';
import { renewAttempt } from '../../src/usecases/renew-attempt.ts';
import { startAttempt } from '../../src/usecases/start-attempt.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { addAgent, alice, failed, newTask, succeeded } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
const never = new AbortController().signal;
const replicaId = randomUUID();
const now = { maxTasks: 1, waitSeconds: 0, requestId: null };
const stopped = {
  ...succeeded,
  outcome: 'cancelled',
  exitCode: null,
  error: 'a more urgent task took its place',
} as const;

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 8 }));
});
afterEach(async () => {
  await deps.stop();
  await deps.db.destroy();
});

const create = (changes: Partial<NewTask> = {}) => createTask(deps, alice, newTask(changes));
const urgent = (changes: Partial<NewTask> = {}) => create({ title: 'urgent', priority: 8, ...changes });
const pull = async (agentId: string) => (await dequeue(deps, agentId, now, never))[0];
const dispatch = (...hostIds: string[]) =>
  dispatchToHosts(deps, { replicaId, hostIds, lastUsed: null, attemptToken: (id) => `token of ${id}` });
/** Lets a running attempt have run for longer. */
const age = (attemptId: string, seconds = 100) =>
  sql`update attempts set started_at = started_at - make_interval(secs => ${seconds}) where id = ${attemptId}`.execute(
    deps.db,
  );
const holderOf = (agentId: string) => ({ kind: 'agent', agentId, attemptId: null }) as const;
const driver = { kind: 'replica', replicaId } as const;

/** A task that an agent pulled and has been running for a while. */
async function runs(agentId: string, changes: Partial<NewTask> = {}, seconds = 100) {
  const { id } = await create(changes);
  const attemptId = (await pull(agentId))?.attempt.id ?? '';
  await startAttempt(deps, holderOf(agentId), attemptId, null);
  await age(attemptId, seconds);
  return { id, attemptId };
}
async function runsOnHost(hostId: string, changes: Partial<NewTask> = {}) {
  const { id } = await create(changes);
  const attemptId = (await dispatch(hostId)).dispatched[0]?.attemptId ?? '';
  await startAttempt(deps, driver, attemptId, null);
  await age(attemptId);
  return { id, attemptId };
}
const stopOf = async (id: string) => {
  const row = await deps.db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  return { reason: row.stop_reason, for: row.stop_for, preemptions: row.preemptions };
};
const story = async (id: string) => (await listEvents(deps, id, { limit: 50, cursor: null })).items;

describe('a ready task that finds every place taken', () => {
  it('has the worst-ranked task asked to stop whose priority is lower by the gap', async () => {
    await addAgent(deps.db, 'a', { capacity: 3 });
    const first = await runs('a');
    const second = await runs('a');
    const near = await runs('a', { priority: 6 });
    const { id } = await urgent();
    expect(await preempt(deps)).toBe(1);
    expect(await stopOf(second.id)).toMatchObject({ reason: 'preempted', for: id });
    for (const other of [first, near]) expect(await stopOf(other.id)).toMatchObject({ reason: null });
  });

  it.each<[string, Partial<NewTask>]>([
    ['priority is not higher by the gap', { priority: 6 }],
    ['time has not come', { priority: 10, runAfter: '2999-01-01T00:00:00Z' }],
    ['approval is missing', { priority: 10, requiresApproval: true }],
    ['labels nobody has', { priority: 10, requires: ['gpu'] }],
    ['mode is another', { priority: 10, executionMode: 'ssh_cli' }],
  ])('has nothing stopped when its %s', async (_, changes) => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    await runs('a', { priority: 4 });
    await create(changes);
    expect(await preempt(deps)).toBe(0);
  });

  it.each<[string, Partial<NewTask>, number]>([
    ['must not be preempted', { preemptible: false }, 100],
    ['has run for too short a time', {}, 50],
  ])('leaves one alone that %s', async (_, changes, seconds) => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const { id } = await runs('a', changes, seconds);
    await urgent();
    expect(await preempt(deps)).toBe(0);
    expect(await stopOf(id)).toMatchObject({ reason: null });
  });

  it('has one stopped at once when the least time is 0', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    await runs('a', {}, 0);
    await urgent();
    const preemption = { ...deps.settings.preemption, minRunSeconds: 0 };
    expect(await preempt({ ...deps, settings: { ...deps.settings, preemption } })).toBe(1);
  });

  it('leaves one alone that was taken and not started', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    await create();
    await pull('a');
    await urgent();
    const preemption = { ...deps.settings.preemption, minRunSeconds: 0 };
    expect(await preempt({ ...deps, settings: { ...deps.settings, preemption } })).toBe(0);
  });

  it('has nothing stopped while a place that it may take is free', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const { id } = await runs('a');
    await addAgent(deps.db, 'b', { capacity: 1 });
    await urgent();
    expect(await preempt(deps)).toBe(0);
    await sql`update agents set cordoned = true where id = 'b'`.execute(deps.db);
    expect(await preempt(deps)).toBe(1);
    expect(await stopOf(id)).toMatchObject({ reason: 'preempted' });
  });

  it('has one stopped at a time, and a second one that waits has another', async () => {
    await addAgent(deps.db, 'a', { capacity: 2 });
    await runs('a');
    await runs('a');
    await urgent();
    expect(await preempt(deps)).toBe(1);
    expect(await preempt(deps)).toBe(0);
    await urgent();
    expect(await preempt(deps)).toBe(1);
  });

  it('has nothing stopped on an agent that takes no work', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    await runs('a');
    await urgent();
    for (const column of ['cordoned', 'draining']) {
      await sql`update agents set ${sql.ref(column)} = true`.execute(deps.db);
      expect(await preempt(deps)).toBe(0);
      await sql`update agents set ${sql.ref(column)} = false`.execute(deps.db);
    }
    await sql`update agents set online = false`.execute(deps.db);
    expect(await preempt(deps)).toBe(0);
  });

  it('that names an agent has something stopped there and nowhere else', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    await addAgent(deps.db, 'b', { capacity: 1 });
    const onA = await runs('a');
    const onB = await runs('b', { priority: 1 });
    await urgent({ namedAgentId: 'a', executionMode: 'http_pull', requires: ['gpu'] });
    expect(await preempt(deps)).toBe(1);
    expect(await stopOf(onA.id)).toMatchObject({ reason: 'preempted' });
    expect(await stopOf(onB.id)).toMatchObject({ reason: null });
  });

  it('is not hidden by any number of others that could have nothing stopped', async () => {
    await addAgent(deps.db, 'a', { capacity: 1, labels: ['x'] });
    await addAgent(deps.db, 'busy', { capacity: 1, labels: ['y'] });
    const { id } = await runs('a', { requires: ['x'] });
    await runs('busy', { requires: ['y'], priority: 8 });
    for (let i = 0; i < 25; i++) await create({ requires: ['y'], priority: 10 });
    await urgent({ requires: ['x'] });
    expect(await preempt(deps)).toBe(1);
    expect(await stopOf(id)).toMatchObject({ reason: 'preempted' });
  });
});

it('those that are being served do not hide the ones behind them', async () => {
  await addAgent(deps.db, 'a', { capacity: 25 });
  for (let i = 0; i < 25; i++) await runs('a');
  for (let i = 0; i < 25; i++) await urgent();
  expect([await preempt(deps), await preempt(deps), await preempt(deps)]).toEqual([20, 5, 0]);
});

describe('a task that is stopped for another', () => {
  it('is told so by renew and by heartbeat, ends preempted, is ready at once, and the other gets its place', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a', { maxRetries: 0 });
    const { id } = await urgent();
    await preempt(deps);
    await prepareInstallation(deps, null);
    expect(await renewAttempt(deps, holderOf('a'), victim.attemptId, null)).toMatchObject({ stopReason: 'preempted' });
    const beat = await heartbeat(deps, 'a', { attemptIds: [victim.attemptId], draining: null, metrics: null });
    expect(beat.cancel).toEqual([{ attemptId: victim.attemptId, reason: 'preempted' }]);
    await completeAttempt(deps, holderOf('a'), victim.attemptId, stopped, { hash: 'h' });
    expect(await getTask(deps, victim.id)).toMatchObject({
      status: 'pending',
      executionMode: 'undecided',
      ready: true,
      retries: 0,
      infraRetries: 0,
      stopReason: null,
      assignedAgentId: null,
    });
    expect(await stopOf(victim.id)).toEqual({ reason: null, for: null, preemptions: 1 });
    expect((await pull('a'))?.task.id).toBe(id);
    expect(await pull('a')).toBeUndefined();
    await preempt(deps);
    expect((await getTask(deps, id))?.stopReason).toBeNull();
  });

  it('and the other tell in their histories by whom, for whom, and how many seconds were lost', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    const { id } = await urgent();
    await preempt(deps);
    await completeAttempt(deps, holderOf('a'), victim.attemptId, stopped, { hash: 'h' });
    const [asked, ended] = (await story(victim.id)).slice(-2);
    expect(asked).toMatchObject({
      type: 'cancel_requested',
      actor: { kind: 'server' },
      attemptId: victim.attemptId,
      data: { reason: 'preempted', for_task_id: id, for_priority: 8, priority: 3 },
    });
    expect(ended).toMatchObject({ type: 'preempted', fromStatus: 'running', toStatus: 'pending' });
    expect(ended?.data).toMatchObject({
      for_task_id: id,
      seconds_lost: expect.toSatisfy((s: number) => s >= 100 && s < 160),
    });
    expect((await story(id)).at(-1)).toMatchObject({
      type: 'changed',
      actor: { kind: 'server' },
      toStatus: null,
      data: { preempts_task_id: victim.id, agent_id: 'a', seconds_lost: expect.toSatisfy((s: number) => s >= 100) },
    });
  });

  it('is left alone after the second time', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const { id } = await create({ title: 'often stopped' });
    for (const time of [1, 2, 3]) {
      const attemptId = (await pull('a'))?.attempt.id ?? '';
      await startAttempt(deps, holderOf('a'), attemptId, null);
      await age(attemptId);
      const other = await urgent();
      expect(await preempt(deps)).toBe(time < 3 ? 1 : 0);
      if (time === 3) break;
      await completeAttempt(deps, holderOf('a'), attemptId, stopped, { hash: 'h' });
      const taken = await pull('a');
      expect(taken?.task.id).toBe(other.id);
      await completeAttempt(deps, holderOf('a'), taken?.attempt.id ?? '', succeeded, { hash: 'h' });
    }
    expect(await stopOf(id)).toMatchObject({ reason: null, preemptions: 2 });
  });

  it('is completed when it says so all the same, and nothing is counted', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    await urgent();
    await preempt(deps);
    await completeAttempt(deps, holderOf('a'), victim.attemptId, succeeded, { hash: 'h' });
    expect(await getTask(deps, victim.id)).toMatchObject({ status: 'completed' });
    expect(await stopOf(victim.id)).toMatchObject({ preemptions: 0 });
  });

  it('is cancelled when somebody cancels it before it has ended', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    await urgent();
    await preempt(deps);
    await cancelTask(deps, alice, victim.id, null);
    await completeAttempt(deps, holderOf('a'), victim.attemptId, failed('signal'), { hash: 'h' });
    expect(await getTask(deps, victim.id)).toMatchObject({ status: 'cancelled' });
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['cancelled', (id) => cancelTask(deps, alice, id, null)],
    ['taken elsewhere', () => addAgent(deps.db, 'b').then(() => pull('b'))],
  ])('stays asked to stop when the other is %s meanwhile', async (_, change) => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const victim = await runs('a');
    const { id } = await urgent();
    await preempt(deps);
    await change(id);
    expect(await getTask(deps, id)).not.toMatchObject({ status: 'pending' });
    expect(await stopOf(victim.id)).toMatchObject({ reason: 'preempted' });
    await completeAttempt(deps, holderOf('a'), victim.attemptId, stopped, { hash: 'h' });
    expect(await getTask(deps, victim.id)).toMatchObject({ status: 'pending', ready: true });
  });
});

describe('on hosts', () => {
  it('a task that the server drives is stopped, and the next pass gives its place to the other', async () => {
    await addAgent(deps.db, 'h', { mode: 'ssh_cli', capacity: 1 });
    const victim = await runsOnHost('h');
    const { id } = await urgent();
    expect(await preempt(deps)).toBe(1);
    await completeAttempt(deps, driver, victim.attemptId, stopped, { hash: 'h' });
    const { dispatched } = await dispatch('h');
    expect(dispatched.map(({ taskId }) => taskId)).toEqual([id]);
    expect(await getTask(deps, victim.id)).toMatchObject({ status: 'pending', executionMode: 'undecided' });
  });

  it('of a host and an agent the worse-ranked task makes room', async () => {
    await addAgent(deps.db, 'h', { mode: 'ssh_cli', capacity: 1 });
    const onHost = await runsOnHost('h');
    await addAgent(deps.db, 'a', { capacity: 1 });
    const onAgent = await runs('a');
    await urgent();
    expect(await preempt(deps)).toBe(1);
    expect(await stopOf(onAgent.id)).toMatchObject({ reason: 'preempted' });
    expect(await stopOf(onHost.id)).toMatchObject({ reason: null });
  });

  it('nothing is stopped for a task that only agents may take, and a free place there does not help it', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const onAgent = await runs('a');
    await addAgent(deps.db, 'h', { mode: 'ssh_cli', capacity: 2 });
    const onHost = await runsOnHost('h');
    await urgent({ executionMode: 'http_pull' });
    expect(await preempt(deps)).toBe(1);
    expect(await stopOf(onAgent.id)).toMatchObject({ reason: 'preempted' });
    expect(await stopOf(onHost.id)).toMatchObject({ reason: null });
  });

  it.each<[string, (attemptId: string) => Promise<unknown>]>([
    ['does not answer about it', (attemptId) => recordContact(deps, replicaId, attemptId, 'unreachable')],
    [
      'let its lease lapse',
      () =>
        sql`update tasks set lease_expires_at = now() - interval '1 s'
      where lease_expires_at is not null`.execute(deps.db),
    ],
  ])('a task is left alone whose host %s', async (_, cut) => {
    await addAgent(deps.db, 'h', { mode: 'ssh_cli', capacity: 1 });
    const { id, attemptId } = await runsOnHost('h');
    await urgent();
    await cut(attemptId);
    expect(await preempt(deps)).toBe(0);
    expect(await stopOf(id)).toMatchObject({ reason: null });
  });
});

describe('replicas that look at once', () => {
  it('have exactly one task stopped for one that waits', async () => {
    await addAgent(deps.db, 'a', { capacity: 4 });
    const running = [await runs('a'), await runs('a'), await runs('a'), await runs('a')];
    for (let round = 1; round <= 4; round++) {
      await urgent();
      const asked = await Promise.all(Array.from({ length: 6 }, () => preempt(deps)));
      expect(asked.reduce((sum, count) => sum + count, 0)).toBe(1);
      const stops = await Promise.all(running.map(({ id }) => stopOf(id)));
      expect(stops.filter(({ reason }) => reason === 'preempted')).toHaveLength(round);
    }
  });

  it('stop each task for one other only', async () => {
    await addAgent(deps.db, 'a', { capacity: 3 });
    for (let i = 0; i < 3; i++) await runs('a');
    for (let i = 0; i < 5; i++) await urgent();
    await Promise.all(Array.from({ length: 6 }, () => preempt(deps)));
    const rows = await deps.db.selectFrom('tasks').select('stop_for').where('stop_reason', '=', 'preempted').execute();
    expect(new Set(rows.map((row) => row.stop_for)).size).toBe(3);
    expect(await preempt(deps)).toBe(0);
  });
});
