import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NewTask, NO_LIMITS, PLAIN } from '../../src/domain/task.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { recordContact } from '../../src/usecases/hosts/host-attempts.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { preempt } from '../../src/usecases/upkeep/preempt.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { driver, runningTasks, stopped } from '../support/running-tasks.ts';
import { addAgent } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
const { create, pull, dispatch, urgent, runs, runsOnHost, stopOf } = runningTasks(() => deps);

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 8 }));
});
afterEach(async () => {
  await deps.stop();
  await deps.db.destroy();
});

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

  it('has one stopped though many stand before it that no agent may run', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    await sql`update agents set limits = '{}' where id = 'a'`.execute(deps.db);
    const running = await runs('a');
    for (let n = 0; n < 50; n++) await urgent({ limits: { ...NO_LIMITS, cpuPercent: 50 } });
    const { id } = await urgent();
    const asked = [await preempt(deps), await preempt(deps), await preempt(deps)];
    expect(asked).toEqual([0, 1, 0]);
    expect(await stopOf(running.id)).toMatchObject({ reason: 'preempted', for: id });
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

  it.each([
    ['what it may run', { policy: { allowedCommands: ['echo'], deniedPatterns: [] } }],
    ['what it must not run', { policy: { allowedCommands: [], deniedPatterns: ['^make'] } }],
  ])('has nothing stopped on an agent that refuses it by %s, whatever runs there', async (_, refusing) => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    await addAgent(deps.db, 'b', { capacity: 1 });
    const onA = await runs('a', { command: ['echo'] });
    const onB = await runs('b', { command: ['echo'], priority: 1 });
    const policy = JSON.stringify(refusing.policy);
    await sql`update agents set policy = ${policy} where id = 'b'`.execute(deps.db);
    await urgent();
    expect(await preempt(deps)).toBe(1);
    expect(await stopOf(onA.id)).toMatchObject({ reason: 'preempted' });
    expect(await stopOf(onB.id)).toMatchObject({ reason: null });
  });

  it('has one stopped though an agent has a free place that refuses it', async () => {
    await addAgent(deps.db, 'a', { capacity: 1 });
    const { id } = await runs('a');
    await addAgent(deps.db, 'b', { capacity: 1 });
    await sql`update agents set limits = '{}' where id = 'b'`.execute(deps.db);
    await urgent({ limits: { ...PLAIN.limits, memoryBytes: 1_000_000 } });
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
    ['does not answer about it', (attemptId) => recordContact(deps, driver.replicaId, attemptId, 'unreachable')],
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
