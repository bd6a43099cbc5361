import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { NO_LIMITS } from '../../src/domain/task.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { decideModes } from '../../src/usecases/hosts/decide-modes.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { attemptToDrive } from '../../src/usecases/hosts/host-attempts.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { getTask, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps, testSettings } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent, alice, failed, newTask } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
const never = new AbortController().signal;
const replicaId = randomUUID();
const now = { maxTasks: 1, waitSeconds: 0, requestId: null };

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 4 }));
});
afterEach(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
  await deps.db.destroy();
});

const phaseOne = async (...hostIds: string[]) => {
  const options = { replicaId, hostIds, lastUsed: null, timed: true, attemptToken: (id: string) => `token of ${id}` };
  const { began, dispatched } = await dispatchToHosts(deps, options);
  if (began === null) throw new Error('the pass was not timed');
  return { began, dispatched };
};
/** One pass of both phases. */
const pass = async (...hostIds: string[]) => {
  const { began, dispatched } = await phaseOne(...hostIds);
  await decideModes(deps, began);
  return dispatched;
};
const addHost = (id: string, labels: string[], more: { capacity?: number; online?: boolean } = {}) =>
  addAgent(deps.db, id, { mode: 'ssh_cli', labels, ...more });
const create = (changes: Parameters<typeof newTask>[0] = {}) => createTask(deps, alice, newTask(changes));
const modeOf = async (id: string) => (await getTask(deps, id))?.executionMode;
/** Lets time pass for a task, as if it had been ready for longer. */
const age = (id: string, seconds: number) =>
  sql`update tasks set ready_at = ready_at - make_interval(secs => ${seconds}) where id = ${id}`.execute(deps.db);

it('an undecided task goes to an online host with its labels and a free place', async () => {
  await addHost('h1', ['gpu', 'linux']);
  const { id } = await create({ requires: ['gpu'] });
  expect(await pass('h1')).toMatchObject([{ attemptId: expect.any(String), taskId: id, hostId: 'h1' }]);
  expect(await getTask(deps, id)).toMatchObject({
    status: 'assigned',
    executionMode: 'ssh_cli',
    requestedMode: 'undecided',
    assignedAgentId: 'h1',
  });
});

it('what is told of a task that a host has taken is what the database knows', async () => {
  await addHost('h1', ['gpu']);
  await create({
    requires: ['gpu'],
    body: 'a body',
    input: 'standard input',
    environment: { NAME: 'value' },
    limits: { ...NO_LIMITS, cpuPercent: 50, processes: 7 },
  });
  const [taken] = await pass('h1');
  const known = await attemptToDrive(deps, replicaId, taken?.attemptId ?? '');
  expect({ ...taken?.toDrive, leaseSeconds: null }).toEqual({ ...known, leaseSeconds: null });
  expect(taken?.toDrive.leaseSeconds).toBe(deps.settings.leases.seconds);
});

it('the least loaded host takes the next task', async () => {
  await addHost('h1', ['x'], { capacity: 2 });
  await addHost('h2', ['x'], { capacity: 4 });
  for (let i = 0; i < 4; i++) await create({ requires: ['x'] });
  expect((await pass('h1', 'h2')).map(({ hostId }) => hostId)).toEqual(['h1', 'h2', 'h2', 'h1']);
});

it.each([
  ['no host has the labels', ['linux'], {}],
  ['the host is offline', ['gpu'], { online: false }],
])('a task stays undecided while %s', async (_, labels, host) => {
  await addHost('h1', labels, host);
  const { id } = await create({ requires: ['gpu'] });
  expect(await pass('h1')).toEqual([]);
  expect(await getTask(deps, id)).toMatchObject({ status: 'pending', executionMode: 'undecided' });
});

it('a host whose places are all taken gets nothing more', async () => {
  await addHost('h1', ['x'], { capacity: 1 });
  await create({ requires: ['x'] });
  const second = await create({ requires: ['x'] });
  expect(await pass('h1')).toHaveLength(1);
  expect(await pass('h1')).toHaveLength(0);
  expect(await getTask(deps, second.id)).toMatchObject({ status: 'pending', waitingReason: 'all_busy' });
});

it.each([
  ['before the threshold', 'undecided', 15],
  ['at the threshold', 'http_pull', 30],
  ['after the threshold', 'http_pull', 31],
])('%s a task that no host matches is %s', async (_, mode, seconds) => {
  const { id } = await create({ requires: ['nobody'] });
  await age(id, seconds);
  await pass();
  expect(await modeOf(id)).toBe(mode);
});

it('a task that is left to agents says so in its history', async () => {
  const { id } = await create();
  await age(id, 31);
  await pass();
  const { items } = await listEvents(deps, id, { limit: 10, cursor: null });
  expect(items.at(-1)).toMatchObject({ type: 'mode_decided', data: { execution_mode: 'http_pull' } });
});

it('with a threshold of null nothing is left to agents by itself', async () => {
  const settings = { dispatch: { ...testSettings.dispatch, pullAfterSeconds: null } };
  const { id } = await create();
  await age(id, 100_000);
  const { began } = await phaseOne();
  await decideModes({ ...deps, settings: { ...deps.settings, ...settings } }, began);
  expect(await modeOf(id)).toBe('undecided');
});

it('a busy host is a match: its tasks are not left to agents', async () => {
  await addHost('h1', ['x'], { capacity: 1 });
  await create({ requires: ['x'] });
  const { id } = await create({ requires: ['x'] });
  await age(id, 100);
  await pass('h1');
  expect(await modeOf(id)).toBe('undecided');
});

it('a task that no pass has seen yet is not left to agents', async () => {
  const { began } = await phaseOne();
  const settings = { dispatch: { ...testSettings.dispatch, pullAfterSeconds: 0 } };
  const { id } = await create();
  await decideModes({ ...deps, settings: { ...deps.settings, ...settings } }, began);
  expect(await modeOf(id)).toBe('undecided');
});

it('what was left to agents is undecided again when a host with its labels comes online', async () => {
  const { id } = await create({ requires: ['gpu'] });
  const fixed = await create({ requires: ['gpu'], executionMode: 'http_pull' });
  await age(id, 31);
  await pass();
  expect(await modeOf(id)).toBe('http_pull');
  await addHost('h1', ['gpu'], { capacity: 1 });
  await pass('h1');
  expect(await modeOf(id)).toBe('undecided');
  expect(await modeOf(fixed.id)).toBe('http_pull');
});

it('hosts and agents are mixed: each takes only what it can', async () => {
  await addHost('h1', ['gpu']);
  await addAgent(deps.db, 'a1', { labels: ['cpu'] });
  const gpu = await create({ requires: ['gpu'] });
  const cpu = await create({ requires: ['cpu'] });
  expect((await pass('h1')).map(({ taskId }) => taskId)).toEqual([gpu.id]);
  expect((await dequeue(deps, 'a1', now, never)).map(({ task }) => task.id)).toEqual([cpu.id]);
});

it('tasks created for one way are not touched by the other', async () => {
  await addHost('h1', []);
  await addAgent(deps.db, 'a1');
  const ssh = await create({ executionMode: 'ssh_cli' });
  const pull = await create({ executionMode: 'http_pull' });
  expect((await dequeue(deps, 'a1', { ...now, maxTasks: 5 }, never)).map(({ task }) => task.id)).toEqual([pull.id]);
  expect((await pass('h1')).map(({ taskId }) => taskId)).toEqual([ssh.id]);
});

it('an undecided task whose host failed it is undecided again, kept from that host, and taken by an agent', async () => {
  await addHost('h1', ['x']);
  await addAgent(deps.db, 'a1', { labels: ['x'] });
  const { id } = await create({ requires: ['x'] });
  const [dispatched] = await pass('h1');
  const holder = { kind: 'replica', replicaId } as const;
  await completeAttempt(deps, holder, dispatched?.attemptId ?? '', failed('setup'), { hash: 'h' });
  expect(await getTask(deps, id)).toMatchObject({
    status: 'pending',
    executionMode: 'undecided',
    assignedAgentId: null,
    infraRetries: 1,
  });
  expect(await pass('h1')).toEqual([]);
  const [taken] = await dequeue(deps, 'a1', now, never);
  expect(taken?.task).toMatchObject({ id, executionMode: 'http_pull', attempt: { number: 2 } });
});

it('tasks that are kept from an agent for now do not stand before what it may take', async () => {
  await addAgent(deps.db, 'a1', { labels: ['x'] });
  await addAgent(deps.db, 'a2', { labels: ['x'] });
  for (let i = 0; i < 3; i++) await create({ requires: ['x'] });
  const tried = await dequeue(deps, 'a1', { ...now, maxTasks: 3 }, never);
  const holder = { kind: 'agent', agentId: 'a1', attemptId: null } as const;
  for (const { attempt } of tried) await completeAttempt(deps, holder, attempt.id, failed('setup'), { hash: 'h' });
  const fresh = await create({ requires: ['x'] });
  expect((await dequeue(deps, 'a1', now, never)).map(({ task }) => task.id)).toEqual([fresh.id]);
});

it('a task that is assigned to a host goes there whatever it requires, and nowhere else', async () => {
  await addHost('h1', []);
  await addHost('h2', ['x']);
  const { id } = await create({ requires: ['x'] });
  const assigned = await assignTask(deps, alice, id, { agentId: 'h1', executionMode: null });
  expect(assigned).toMatchObject({ executionMode: 'ssh_cli', namedAgentId: 'h1' });
  expect(await pass('h2')).toEqual([]);
  expect((await pass('h1', 'h2')).map(({ hostId }) => hostId)).toEqual(['h1']);
});

it.each([
  ['a host', 'h1', 'http_pull'],
  ['an agent that pulls', 'a1', 'ssh_cli'],
] as const)('a mode that contradicts %s is refused', async (_, agentId, executionMode) => {
  await addHost('h1', []);
  await addAgent(deps.db, 'a1');
  const { id } = await create();
  await expect(assignTask(deps, alice, id, { agentId, executionMode })).rejects.toMatchObject({
    code: 'mode_mismatch',
  });
  expect(await getTask(deps, id)).toMatchObject({ namedAgentId: null, version: 1 });
});

it('an assignment can be replaced, and one to nobody is not found', async () => {
  await addHost('h1', []);
  await addAgent(deps.db, 'a1');
  const { id } = await create();
  await assignTask(deps, alice, id, { agentId: 'h1', executionMode: null });
  expect(await assignTask(deps, alice, id, { agentId: 'a1', executionMode: 'http_pull' })).toMatchObject({
    namedAgentId: 'a1',
    executionMode: 'http_pull',
  });
  await expect(assignTask(deps, alice, id, { agentId: 'none', executionMode: null })).rejects.toMatchObject({
    code: 'not_found',
  });
  await expect(assignTask(deps, alice, randomUUID(), { agentId: 'a1', executionMode: null })).rejects.toMatchObject({
    code: 'not_found',
  });
});
