import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { patchAgent } from '../../src/usecases/agents/patch-agent.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { createDequeues, type DequeueWish, type Taken } from '../../src/usecases/dequeue/dequeue.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { expectHealthy } from '../support/examine.ts';
import { fewAtOnce } from '../support/few-at-once.ts';
import { holdLooks } from '../support/hold-looks.ts';
import { somebodyWaits } from '../support/locks.ts';
import { openReplicas, type Replicas } from '../support/replicas.ts';
import { addAgent, alice, newTask, succeeded } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

let database: TestDatabase;
let replicas: Replicas;
let desks: ReturnType<typeof openDesk>[];

beforeEach(async () => {
  database = await createTestDatabase({ max: 4 });
  replicas = await openReplicas(database);
  desks = [openDesk(replicas.one), openDesk(replicas.two)];
});
afterEach(async () => {
  for (const { stop } of desks) stop();
  await expectHealthy(database.db);
  await replicas.stop();
});

/** The waiting room of a replica. Each claim asks which lanes there are, not by the pool that looks: so it is counted. */
function openDesk(deps: Deps) {
  const counted = { claims: 0 };
  const lanes: Deps['lanes'] = {
    ...deps.lanes,
    upTo(reader, newest) {
      if (reader !== deps.db) counted.claims += 1;
      return deps.lanes.upTo(reader, newest);
    },
  };
  return { ...createDequeues({ ...deps, lanes }), counted };
}
const claims = () => desks.reduce((sum, { counted }) => sum + counted.claims, 0);

/** As long as anybody may. */
const call = (agentId: string, replica = 0, wish: Partial<DequeueWish> = {}) =>
  (desks[replica] as ReturnType<typeof openDesk>).dequeue(agentId, {
    maxTasks: 1,
    waitSeconds: 60,
    requestId: null,
    ...wish,
  });
const wait = (agentId: string, replica = 0, wish: Partial<DequeueWish> = {}) => call(agentId, replica, wish).answer;
const allWait = (count: number) =>
  waitFor(() => desks.reduce((sum, desk) => sum + desk.waiting(), 0) === count, { what: `${count} wait` });

const create = (requires: string[], deps: Deps = replicas.one) => createTask(deps, alice, newTask({ requires }));
/** Tells nobody of what it does, as a replica that dies just after its commit. */
const silent = (): Deps => ({ ...replicas.one, wakeups: { ...replicas.one.wakeups, emit: () => {} } });
const idsOf = (taken: Taken[]) => taken.map(({ task }) => task.id);
const finish = (agentId: string, taken: Taken[]) =>
  completeAttempt(replicas.one, { kind: 'agent', agentId, attemptId: null }, taken[0]?.attempt.id ?? '', succeeded, {
    hash: 'h',
  });
const rowOf = (id: string) =>
  database.db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const statusOf = async (id: string) => (await rowOf(id)).status;

/** So many agents, those of each set of labels in turn, on both replicas. */
async function manyWait(count: number, sets: readonly string[][], replicaOf: (n: number) => number) {
  const agents = Array.from({ length: count }, (_, n) => ({ id: `agent-${n}`, labels: sets[n % sets.length] ?? [] }));
  await fewAtOnce(count, async (n) => {
    const { id, labels } = agents[n] as (typeof agents)[number];
    await addAgent(database.db, id, { labels, capacity: 1 });
  });
  const answers = agents.map(({ id }, n) => wait(id, replicaOf(n)));
  await allWait(count);
  return async () => {
    const taken = await Promise.all(answers);
    expect(taken.map(({ length }) => length)).toEqual(Array(count).fill(1));
    expect(new Set(taken.flatMap(idsOf)).size).toBe(count);
  };
}

const SETS = ['x', 'y', 'z'].map((label) => [label, `${label}-more`]);
/** In lanes that there are already, and in some that nobody has heard of. */
const lanesFor = (n: number): string[] => {
  const [label = '', more = ''] = SETS[n % SETS.length] ?? [];
  return [[label], [more], [label, more]][Math.floor(n / SETS.length) % 3] ?? [];
};
const shuffled = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ n, key: Math.random() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ n }) => n);

describe('three hundred agents of three sets of labels that wait on two replicas', () => {
  it('get one task each, and no claim is made for those for whom there is nothing', async () => {
    for (const [label = ''] of SETS) await cancelTask(replicas.one, alice, (await create([label])).id, null);
    const allServed = await manyWait(300, SETS, (n) => n % 2);
    const before = claims();
    const order = shuffled(300);
    await fewAtOnce(300, (n) => create(lanesFor(order[n] ?? 0), n % 2 === 0 ? replicas.one : replicas.two));
    await allServed();
    expect(claims() - before).toBeLessThanOrEqual(600);
  });

  it('are found by the next look when nobody is told of their tasks', async () => {
    const allServed = await manyWait(300, SETS, (n) => n % 2);
    const before = claims();
    for (const n of shuffled(300)) await create(lanesFor(n), silent());
    await allServed();
    expect(claims() - before).toBeLessThanOrEqual(300);
  });
});

it('one look finds as many tasks as there are agents that wait', async () => {
  const looks = holdLooks();
  const allServed = await manyWait(600, [['x']], () => 0);
  const wanted = { task: newTask({ requires: ['x'] }), bodyHash: null };
  await createTasks(silent(), alice, Array(600).fill(wanted), null);
  looks.let(1);
  await allServed();
});

it('what an agent leaves that asked for more than it has places for goes to the next one at once', async () => {
  await addAgent(database.db, 'greedy', { labels: ['x'], capacity: 1 });
  await addAgent(database.db, 'modest', { labels: ['x'], capacity: 1 });
  const wanted = { task: newTask({ requires: ['x'] }), bodyHash: null };
  holdLooks();
  for (let round = 0; round < 6; round++) {
    const answers = [wait('greedy', 0, { maxTasks: 100 })];
    await allWait(1);
    answers.push(wait('modest'));
    await allWait(2);
    await createTasks(replicas.one, alice, [wanted, wanted], null);
    const [greedy = [], modest = []] = await Promise.all(answers);
    expect([greedy.length, modest.length]).toEqual([1, 1]);
    await finish('greedy', greedy);
    await finish('modest', modest);
  }
});

it('tasks that are made together on one replica wake as many agents on another', async () => {
  const agents = ['one', 'two', 'three', 'four'];
  for (const id of agents) await addAgent(database.db, id, { capacity: 1 });
  holdLooks();
  for (let round = 0; round < 6; round++) {
    const answers = agents.map((id) => wait(id, 1));
    await allWait(4);
    const wanted = agents.map(() => ({ task: newTask(), bodyHash: null }));
    await createTasks(replicas.one, alice, wanted, null);
    for (const [index, taken] of (await Promise.all(answers)).entries()) await finish(agents[index] ?? '', taken);
  }
});

it('an agent whose places are taken is given nothing, and the task as soon as one is free', async () => {
  await addAgent(database.db, 'full', { labels: ['x'], capacity: 1 });
  await create(['x']);
  const held = await wait('full');
  const answer = wait('full', 1);
  await allWait(1);
  const before = claims();
  const { id } = await create(['x']);
  await waitFor(() => claims() > before);
  await allWait(1);
  expect(await statusOf(id)).toBe('pending');
  await finish('full', held);
  expect(idsOf(await answer)).toEqual([id]);
});

it('of several requests of an agent that wait on both replicas one is answered when there is one place', async () => {
  await addAgent(database.db, 'single', { capacity: 1 });
  const answered: Taken[][] = [];
  const answers = Array.from({ length: 12 }, (_, n) => wait('single', n % 2).then((taken) => answered.push(taken)));
  await allWait(12);
  await Promise.all(Array.from({ length: 12 }, (_, n) => create([], n % 2 === 0 ? replicas.one : replicas.two)));
  for (let round = 0; round < 12; round++) {
    await waitFor(() => answered.length > round);
    const { rows } = await sql`select 1 from attempts where not settled`.execute(database.db);
    expect([answered.length, rows.length]).toEqual([round + 1, 1]);
    await finish('single', answered[round] ?? []);
  }
  await Promise.all(answers);
});

it('an agent that is given other labels while it waits gets what it can take then', async () => {
  await addAgent(database.db, 'patched', { labels: ['x'] });
  const { id } = await create(['y']);
  const answer = wait('patched', 1);
  await allWait(1);
  await patchAgent(replicas.one, 'patched', { labels: ['y'] });
  expect(idsOf(await answer)).toEqual([id]);
});

describe('a caller that is gone', () => {
  it('while it waits is skipped', async () => {
    await addAgent(database.db, 'gone', {});
    await addAgent(database.db, 'next', {});
    const { answer, cancel } = call('gone');
    await allWait(1);
    const next = wait('next');
    await allWait(2);
    cancel();
    expect(await answer).toEqual([]);
    const { id } = await create([]);
    expect(idsOf(await next)).toEqual([id]);
  });

  it.each([[null], ['r1']])('while a claim is made for it does not wait on, request id %s', async (requestId) => {
    await addAgent(database.db, 'gone', {});
    const answer = await cancelledWhileClaimed({ requestId });
    expect(await answer()).toEqual([]);
    expect(desks[0]?.waiting()).toBe(0);
    expect(await statusOf((await create([])).id)).toBe('pending');
  });

  it('before a claim is made for it is given nothing', async () => {
    await addAgent(database.db, 'gone', {});
    const { id } = await create([]);
    const { answer, cancel } = call('gone');
    cancel();
    expect(await answer).toEqual([]);
    expect(await statusOf(id)).toBe('pending');
  });

  it('while a task is claimed for it is answered, so that the task can be handed back', async () => {
    await addAgent(database.db, 'gone', {});
    const { id } = await create([]);
    const answer = await cancelledWhileClaimed();
    expect(idsOf(await answer())).toEqual([id]);
  });
});

/** A call of `gone`, who is gone when the claim that is made for it can't go on yet; how it is answered then. */
const cancelledWhileClaimed = (wish: Partial<DequeueWish> = {}) =>
  whileLocked('gone', async () => {
    const { answer, cancel } = call('gone', 0, wish);
    await waitFor(() => somebodyWaits(database.db));
    cancel();
    return () => answer;
  });

/** Whoever gives out places of the agent waits meanwhile. */
const whileLocked = <T>(agentId: string, act: () => Promise<T>): Promise<T> =>
  database.db.transaction().execute(async (trx) => {
    await sql`select 1 from agents where id = ${agentId} for update`.execute(trx);
    return act();
  });

it('who stops answers everybody with nothing, also those for whom a claim is under way, and nobody waits any more', async () => {
  await addAgent(database.db, 'waits', { capacity: 10 });
  await addAgent(database.db, 'asks', { capacity: 10 });
  const answers = [wait('waits'), wait('waits', 1)];
  await allWait(2);
  await whileLocked('asks', async () => {
    answers.push(wait('asks'), wait('asks', 1));
    await waitFor(() => somebodyWaits(database.db));
    answers.push(wait('waits'));
    for (const { stop } of desks) stop();
  });
  expect(await Promise.all(answers)).toEqual(Array(5).fill([]));
  const { id } = await create([]);
  expect(desks.map((desk) => desk.waiting())).toEqual([0, 0]);
  expect(await statusOf(id)).toBe('pending');
  await cancelTask(replicas.one, alice, id, null);
  expect(await wait('waits')).toEqual([]);
});

it('tasks that a claim on another replica had in hand and did not take are given out when it has ended', async () => {
  for (const id of ['x1', 'y1', 'x2']) await addAgent(database.db, id, { labels: [id.slice(0, 1)], capacity: 1 });
  const { lane } = await create(['x']).then(({ id }) => rowOf(id));
  await finish('x1', await wait('x1'));
  holdLooks();
  for (let round = 0; round < 6; round++) {
    const answers = [wait('x2', 1)];
    await allWait(1);
    const before = desks[1]?.counted.claims;
    for (const label of ['x', 'x', 'y']) await create([label], silent());
    await database.db.transaction().execute(async (trx) => {
      // A claim has its candidates by then, and can't write that it takes them.
      await sql`lock table attempts in share mode`.execute(trx);
      answers.push(wait('x1'), wait('y1'));
      await waitFor(() => somebodyWaits(database.db));
      replicas.two.wakeups.emit({ kind: 'ready', lane });
      await waitFor(() => desks[1]?.counted.claims !== before);
    });
    for (const [index, taken] of (await Promise.all(answers)).entries())
      await finish(['x2', 'x1', 'y1'][index] ?? '', taken);
  }
});
