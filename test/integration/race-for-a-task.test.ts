import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { assignTask } from '../../src/usecases/task/assign-task.ts';
import { getTask, listAttempts, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { fewAtOnce } from '../support/few-at-once.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';

const ROUNDS = 60;
const never = new AbortController().signal;
const attemptToken = (id: string) => `token of ${id}`;
const now = { maxTasks: 1, waitSeconds: 0, requestId: null };
let deps: Deps & { stop(): Promise<void> };

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 16 }));
  await addAgent(deps.db, 'puller-1', { labels: ['x'], capacity: 1000 });
  await addAgent(deps.db, 'puller-2', { labels: ['x'], capacity: 1000 });
  await addAgent(deps.db, 'named', { capacity: 1000 });
  await addAgent(deps.db, 'host', { mode: 'ssh_cli', labels: ['x'], capacity: 1000 });
});
afterAll(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
});

const dispatch = () =>
  dispatchToHosts(deps, { replicaId: randomUUID(), hostIds: ['host'], lastUsed: null, attemptToken }).then(
    ({ dispatched }) => dispatched.map(({ taskId }) => taskId),
  );
const pull = (agentId: string) => dequeue(deps, agentId, now, never).then((taken) => taken.map(({ task }) => task.id));

it('of dispatch, dequeue and assign at once exactly one wins the task, and the others change nothing', async () => {
  const winners = { dispatch: 0, dequeue: 0, assign: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const { id } = await createTask(deps, alice, newTask({ requires: ['x'] }));
    const contestants = [
      () => dispatch(),
      () => pull('puller-1'),
      () => pull('puller-2'),
      () => dispatch(),
      () =>
        assignTask(deps, alice, id, { agentId: 'named', executionMode: null }).then(
          (task) => [task.id],
          (error) => {
            expect(error).toMatchObject({ code: 'assign_not_allowed' });
            return [];
          },
        ),
    ];
    const turned = [...contestants.slice(round % 5), ...contestants.slice(0, round % 5)];
    const answers = await Promise.all(turned.map((contestant) => contestant()));
    expect(answers.filter((taken) => taken.includes(id))).toHaveLength(1);
    await expectOneWinner(id, winners);
  }
  expect(winners.dispatch + winners.dequeue + winners.assign).toBe(ROUNDS);
});

/** What the database says must agree with what was answered. */
async function expectOneWinner(id: string, winners: { dispatch: number; dequeue: number; assign: number }) {
  const task = await getTask(deps, id);
  const { items: attempts } = await listAttempts(deps, id, { limit: 10, cursor: null });
  const { items: events } = await listEvents(deps, id, { limit: 10, cursor: null });
  expect(events.map((event) => event.n)).toEqual(events.map((_, index) => index + 1));
  if (task?.status === 'pending') {
    expect(task).toMatchObject({ namedAgentId: 'named', executionMode: 'http_pull' });
    expect(attempts).toEqual([]);
    expect(await pull('named')).toEqual([id]);
    winners.assign++;
    return;
  }
  expect(attempts).toHaveLength(1);
  expect(attempts[0]?.agentId).toBe(task?.assignedAgentId);
  expect(attempts[0]?.executionMode).toBe(task?.executionMode);
  if (task?.executionMode === 'ssh_cli') winners.dispatch++;
  else winners.dequeue++;
}

it('many agents that dequeue many tasks at once get each task once', async () => {
  const created = await fewAtOnce(100, () => createTask(deps, alice, newTask({ requires: ['many'] })));
  const agents = await Promise.all(
    Array.from({ length: 8 }, (_, n) => addAgent(deps.db, `many-${n}`, { labels: ['many'], capacity: 1000 })),
  );
  const taken: string[] = [];
  const drain = async (agentId: string) => {
    for (;;) {
      const got = await dequeue(deps, agentId, { ...now, maxTasks: 3, waitSeconds: 1 }, never);
      if (got.length === 0) return;
      taken.push(...got.map(({ task }) => task.id));
    }
  };
  await Promise.all(agents.map(drain));
  expect(taken.sort()).toEqual(created.map((task) => task.id).sort());
});

it('an agent that asks many times at once gets no more tasks than it has places', async () => {
  await addAgent(deps.db, 'three-places', { labels: ['crowd'], capacity: 3 });
  for (let i = 0; i < 12; i++) await createTask(deps, alice, newTask({ requires: ['crowd'] }));
  const answers = await Promise.all(Array.from({ length: 12 }, () => pull('three-places')));
  expect(answers.flat()).toHaveLength(3);
});

it('replicas that dispatch at once give a host no more tasks than it has places', async () => {
  await addAgent(deps.db, 'two-places', { mode: 'ssh_cli', labels: ['tight'], capacity: 2 });
  for (let i = 0; i < 6; i++) await createTask(deps, alice, newTask({ requires: ['tight'] }));
  const answers = await Promise.all(
    Array.from({ length: 6 }, () =>
      dispatchToHosts(deps, { replicaId: randomUUID(), hostIds: ['two-places'], lastUsed: null, attemptToken }),
    ),
  );
  expect(answers.flatMap(({ dispatched }) => dispatched)).toHaveLength(2);
});
