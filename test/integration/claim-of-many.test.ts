import { sql } from 'kysely';
import { afterAll, expect, it } from 'vitest';
import { NO_LIMITS } from '../../src/domain/task.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import { claimForAgents } from '../../src/usecases/dequeue/claim-for-agents.ts';
import { createDequeues } from '../../src/usecases/dequeue/dequeue.ts';
import { blindConnection } from '../support/blind.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { fewAtOnce } from '../support/few-at-once.ts';
import { recordStatements } from '../support/recorded-statements.ts';
import { holderOf } from '../support/running-tasks.ts';
import { addAgent, alice, newTask, succeeded } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

const database = await createTestDatabase();
const deps = await createTestDeps(database);
afterAll(() => deps.stop());

const now = { maxTasks: 1, waitSeconds: 0 };

it('a claim answers a repeated request and others by what it read itself: nothing that fails after it loses a task', async () => {
  const { db, close } = openDatabase({ connectionString: blindConnection(database) });
  const desk = createDequeues({ ...deps, db });
  for (const id of ['repeats', 'new']) await addAgent(deps.db, id);
  const make = () => createTask(deps, alice, newTask());
  const first = await make();
  const repeated = { ...now, requestId: 'the same' };
  await desk.dequeue('repeats', repeated).answer;
  const second = await make();
  const answers = [desk.dequeue('repeats', repeated), desk.dequeue('new', { ...now, requestId: null })];
  const taken = await Promise.all(answers.map(({ answer }) => answer));
  expect(taken.map((one) => one.map(({ task }) => task.id))).toEqual([[first.id], [second.id]]);
  desk.stop();
  await close();
});

it('a repeated request holds no other task while it waits for its own', async () => {
  const desk = createDequeues(deps);
  for (const id of ['asks again', 'another']) await addAgent(deps.db, id);
  const first = await createTask(deps, alice, newTask());
  const repeated = { ...now, requestId: 'again' };
  await desk.dequeue('asks again', repeated).answer;
  const second = await createTask(deps, alice, newTask());
  const { answer } = await deps.db.transaction().execute(async (trx) => {
    await sql`select from tasks where id = ${first.id} for update`.execute(trx);
    const waits = desk.dequeue('asks again', repeated);
    await waitFor(async () => (await locksWaitedFor()) > 0);
    const [taken] = await claimForAgents(deps, [{ agentId: 'another', maxTasks: 1, requestId: null }]);
    expect(taken?.taken.map(({ task }) => task.id)).toEqual([second.id]);
    return waits;
  });
  expect((await answer).map(({ task }) => task.id)).toEqual([first.id]);
  desk.stop();
});

const locksWaitedFor = async (): Promise<number> => {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(deps.db);
  return rows[0]?.n ?? 0;
};

it('who asks together is given all there is behind what another claim holds, not only what that leaves in front', async () => {
  const ids = ['first', 'second', 'third', 'fourth'];
  for (const id of ids) await addAgent(deps.db, id, { labels: ['in a row'], capacity: 1 });
  const tasks = await fewAtOnce(45, () => createTask(deps, alice, newTask({ requires: ['in a row'] })));
  // As many are held in front as a first look takes into account, but for two.
  const inOrder = tasks.toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  const held = inOrder.slice(0, 34).map(({ id }) => id);
  const claimed = await deps.db.transaction().execute(async (trx) => {
    await sql`select from tasks where id = any(${held}::uuid[]) for update`.execute(trx);
    return claimForAgents(
      deps,
      ids.map((agentId) => ({ agentId, maxTasks: 1, requestId: null })),
    );
  });
  const given = claimed.flatMap(({ taken }) => taken.map(({ task }) => task.id));
  expect(given.toSorted()).toEqual(
    inOrder
      .slice(34, 38)
      .map(({ id }) => id)
      .toSorted(),
  );
});

it('an agent whose labels changed since its last claim is given what it may serve now', async () => {
  const desk = createDequeues(deps);
  await addAgent(deps.db, 'learns', { labels: ['old'] });
  const old = await createTask(deps, alice, newTask({ requires: ['old'] }));
  const fresh = await createTask(deps, alice, newTask({ requires: ['new'] }));
  const take = async () => {
    const taken = await desk.dequeue('learns', { maxTasks: 5, waitSeconds: 0, requestId: null }).answer;
    return taken.map(({ task }) => task.id);
  };
  expect(await take()).toEqual([old.id]);
  const other = await createTask(deps, alice, newTask({ requires: ['old'] }));
  await sql`update agents set labels = '{new}', capacity = 9 where id = 'learns'`.execute(deps.db);
  expect(await take()).toEqual([fresh.id]);
  expect(await take()).toEqual([]);
  await sql`update agents set labels = '{new,old}' where id = 'learns'`.execute(deps.db);
  expect(await take()).toEqual([other.id]);
  desk.stop();
});

it('tasks that an agent can not run do not stand before those that it can, however many they are', async () => {
  const desk = createDequeues(deps);
  await addAgent(deps.db, 'bounded', { labels: ['bounded'] });
  await sql`update agents set limits = '{}' where id = 'bounded'`.execute(deps.db);
  const requires = ['bounded'];
  const limits = { ...NO_LIMITS, cpuPercent: 50 };
  for (let n = 0; n < 40; n++) await createTask(deps, alice, newTask({ requires, limits }));
  const free = await createTask(deps, alice, newTask({ requires }));
  const taken = await desk.dequeue('bounded', { ...now, requestId: null }).answer;
  expect(taken.map(({ task }) => task.id)).toEqual([free.id]);
  desk.stop();
});

it('an agent that waits without a place has no task locked for it, and is given the first when it has one', async () => {
  const { db, pool, close } = openDatabase({ connectionString: database.connectionString, byKeys: true });
  const sent: string[] = [];
  recordStatements(pool, (line) => sent.push(line));
  const claims = () => sent.filter((line) => line.includes('for no key update is sent')).length;
  const looks = () => sent.filter((line) => line.includes('skip locked is sent')).length;
  const desk = createDequeues({ ...deps, hot: db });
  await addAgent(deps.db, 'full', { labels: ['full'], capacity: 1 });
  const requires = ['full'];
  for (let n = 0; n < 3; n++) await createTask(deps, alice, newTask({ requires }));
  const wish = { maxTasks: 5, waitSeconds: 60, requestId: null };
  const [first] = await desk.dequeue('full', wish).answer;
  const { answer } = desk.dequeue('full', wish);
  await waitFor(() => claims() > 1);
  const [before, since] = [looks(), claims()];
  await waitFor(() => claims() > since + 1);
  expect(looks()).toBe(before);
  await completeAttempt(deps, holderOf('full'), first?.attempt.id ?? '', succeeded, { hash: 'h' });
  expect(await answer).toHaveLength(1);
  desk.stop();
  await close();
});
