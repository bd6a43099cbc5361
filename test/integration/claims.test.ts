import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { claimForAgents } from '../../src/usecases/dequeue/claim-for-agents.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent, alice, failed, newTask } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };
const never = new AbortController().signal;
const now = { maxTasks: 1, waitSeconds: 0, requestId: null };
const attemptToken = (id: string) => `token of ${id}`;

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 20 }));
});
afterEach(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
  await deps.db.destroy();
});

const create = async (changes: Partial<NewTask> = {}) => (await createTask(deps, alice, newTask(changes))).id;
const pull = async (agentId: string) => (await dequeue(deps, agentId, now, never)).map(({ task }) => task.id);
const dispatch = async (...hostIds: string[]) => {
  const options = { replicaId: randomUUID(), hostIds, lastUsed: null, attemptToken };
  return (await dispatchToHosts(deps, options)).dispatched.map(({ taskId, hostId }) => [taskId, hostId]);
};
/** Takes the best task for an agent and fails it there, for a reason of the agent's. */
const failOn = async (agentId: string) => {
  const [taken] = await dequeue(deps, agentId, now, never);
  const holder = { kind: 'agent', agentId, attemptId: null } as const;
  await completeAttempt(deps, holder, taken?.attempt.id ?? '', failed('setup'), { hash: randomUUID() });
};

it('tasks that wait for a host without a free place keep nothing from the other hosts', async () => {
  await addAgent(deps.db, 'full', { mode: 'ssh_cli', labels: ['gpu'], capacity: 1 });
  await addAgent(deps.db, 'free', { mode: 'ssh_cli', labels: ['cpu'], capacity: 1 });
  await create({ requires: ['gpu'] });
  expect(await dispatch('full', 'free')).toHaveLength(1);
  for (let n = 0; n < 50; n++) await create({ requires: ['gpu'] });
  const cpu = await create({ requires: ['cpu'] });
  expect(await dispatch('full', 'free')).toEqual([[cpu, 'free']]);
});

it('tasks of one label fill their host and leave the places of another to the tasks behind them', async () => {
  await addAgent(deps.db, 'gpu', { mode: 'ssh_cli', labels: ['gpu'], capacity: 1 });
  await addAgent(deps.db, 'cpu', { mode: 'ssh_cli', labels: ['cpu'], capacity: 1 });
  for (let n = 0; n < 50; n++) await create({ requires: ['gpu'] });
  const cpu = await create({ requires: ['cpu'] });
  const dispatched = [...(await dispatch('gpu', 'cpu')), ...(await dispatch('gpu', 'cpu'))];
  expect(dispatched).toHaveLength(2);
  expect(dispatched).toContainEqual([cpu, 'cpu']);
});

it('a task that failed on an agent keeps nothing from it that waits behind', async () => {
  await addAgent(deps.db, 'a1', { capacity: 1 });
  await addAgent(deps.db, 'a2', { capacity: 1 });
  const first = await create();
  const second = await create();
  await failOn('a1');
  expect(await pull('a1')).toEqual([second]);
  expect(await pull('a2')).toEqual([first]);
});

it('a task that failed on a host keeps nothing from it that waits behind', async () => {
  await addAgent(deps.db, 'h1', { mode: 'ssh_cli', capacity: 1 });
  await addAgent(deps.db, 'a1');
  await create();
  const { dispatched } = await dispatchToHosts(deps, {
    replicaId: '0199c000-0000-7000-8000-000000000001',
    hostIds: ['h1'],
    lastUsed: null,
    attemptToken,
  });
  const holder = { kind: 'replica', replicaId: '0199c000-0000-7000-8000-000000000001' } as const;
  await completeAttempt(deps, holder, dispatched[0]?.attemptId ?? '', failed('setup'), { hash: 'h' });
  const second = await create();
  expect(await dispatch('h1')).toEqual([[second, 'h1']]);
});

it.each([
  ['is alone', {}],
  ['has only others beside it that are offline', { online: false }],
  ['has only others beside it that lack the labels', { labels: [] }],
])('a task that failed on an agent goes there again at once if the agent %s', async (_, other) => {
  await addAgent(deps.db, 'a1', { labels: ['x'] });
  if (Object.keys(other).length > 0) await addAgent(deps.db, 'a2', { labels: ['x'], ...other });
  const id = await create({ requires: ['x'] });
  await failOn('a1');
  expect(await pull('a1')).toEqual([id]);
});

it('agents that ask all at once get a task each, without waiting', async () => {
  const agents = Array.from({ length: 16 }, (_, n) => `a${n}`);
  for (const id of agents) await addAgent(deps.db, id);
  for (let n = 0; n < 48; n++) await create();
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(agents.map(pull));
    expect(answers.map((taken) => taken.length)).toEqual(agents.map(() => 1));
  }
});

it('agents that ask for a hundred each at once get a hundred each, as long as there are so many', async () => {
  const wanted = Array.from({ length: 1_000 }, () => ({ task: newTask(), bodyHash: null }));
  await createTasks(deps, alice, wanted, null);
  const agents = Array.from({ length: 12 }, (_, n) => `many ${n}`);
  for (const id of agents) await addAgent(deps.db, id, { capacity: 200 });
  const hundred = { maxTasks: 100, waitSeconds: 0, requestId: null };
  const taken = await Promise.all(agents.map((id) => dequeue(deps, id, hundred, never)));
  expect(taken.map(({ length }) => length)).toEqual([...Array<number>(10).fill(100), 0, 0]);
});

it('an agent for which there is nothing has not passed over what was there for others', async () => {
  for (const id of ['x1', 'y1', 'y2']) await addAgent(deps.db, id, { labels: [`only-${id.slice(0, 1)}`], capacity: 1 });
  for (let n = 0; n < 2; n++) await createTask(deps, alice, newTask({ requires: ['only-x'] }));
  const asks = ['x1', 'y1', 'y2'].map((agentId) => ({ agentId, maxTasks: 1, requestId: null }));
  const claimed = await claimForAgents(deps, asks);
  expect(claimed.map(({ taken, passed }) => [taken.length, passed])).toEqual([
    [1, false],
    [0, false],
    [0, false],
  ]);
});
