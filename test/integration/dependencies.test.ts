import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DependencyReaction, FINAL_STATUSES, type NewTask, type Status } from '../../src/domain/task.ts';
import { createDependantsLoop } from '../../src/loops/dependants.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { lockTask } from '../../src/store/task-changes.ts';
import { findTask } from '../../src/store/tasks.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { listEvents } from '../../src/usecases/task/read-tasks.ts';
import { retryTask } from '../../src/usecases/task/retry-task.ts';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { dequeue } from '../support/dequeue.ts';
import { expectHealthy } from '../support/examine.ts';
import { WORK, workOff } from '../support/taken.ts';
import { addAgent, alice, failed, newTask, succeeded } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

let database: TestDatabase;
let deps: Deps & { stop(): Promise<void> };

beforeAll(async () => {
  database = await createTestDatabase({ max: 6 });
  deps = await createTestDeps(database);
  await addAgent(deps.db, 'a2', { labels: [WORK], capacity: 1000 });
});
afterAll(async () => {
  await tellAll();
  await expectHealthy(deps.db);
  await deps.stop();
});
beforeEach(() => tellAll());

async function tellAll(): Promise<number> {
  let passes = 0;
  while ((await tellDependants(deps)) > 0) passes++;
  return passes;
}

const dequeueAll = () =>
  dequeue(deps, 'a2', { maxTasks: 100, waitSeconds: 0, requestId: null }, new AbortController().signal);
const create = (changes: Partial<NewTask> = {}) => createTask(deps, alice, newTask({ requires: [WORK], ...changes }));
const make = (tasks: Partial<NewTask>[]) =>
  createTasks(
    deps,
    alice,
    tasks.map((changes) => ({ task: newTask({ requires: [WORK], ...changes }), bodyHash: null })),
    null,
  );

/** Brings a pending task to a final status as its agent or a coordinator would. */
async function end(id: string, status: Status) {
  if (status === 'cancelled') await cancelTask(deps, alice, id, null);
  else await workOff(deps, id, status === 'completed' ? succeeded : failed('exit', 1));
  expect(await findTask(deps.db, id)).toMatchObject({ status });
}

const retry = (id: string) => retryTask(deps, alice, id);

async function eventsOf(id: string) {
  const { items } = await listEvents(deps, id, { limit: 200, cursor: null });
  expect(items.map((event) => event.n)).toEqual(items.map((_, index) => index + 1));
  return items;
}
const typesOf = async (id: string) => (await eventsOf(id)).map((event) => event.type);
const chainsOf = async (id: string) => {
  const { rows } = await sql<{ head: string; last: string }>`
    select t.event_hash as head, e.hash as last from tasks t join events e on e.task_id = t.id and e.n = t.event_n
    where t.id = ${id}`.execute(deps.db);
  return rows[0];
};

describe('a task that depends on another', () => {
  it('waits until that completes, then is ready, and its history says by whose end', async () => {
    const first = await create();
    const second = await create({ dependsOn: [first.id] });
    expect(second).toMatchObject({ ready: false, unmetDependencies: 1, dependsOn: [first.id] });
    await end(first.id, 'completed');
    await tellAll();
    expect(await findTask(deps.db, second.id)).toMatchObject({ ready: true, unmetDependencies: 0, status: 'pending' });
    const events = await eventsOf(second.id);
    expect(events.map((event) => event.type)).toEqual(['created', 'dependency_met']);
    expect(events[1]).toMatchObject({ actor: { kind: 'server' }, data: { depends_on: first.id } });
    const chain = await chainsOf(second.id);
    expect(chain?.head).toBe(chain?.last);
  });

  it('is given to no agent before that is done, and runs then', async () => {
    const first = await create();
    const second = await create({ priority: 10, dependsOn: [first.id] });
    const taken = await dequeueAll();
    expect(taken.map(({ task }) => task.id)).not.toContain(second.id);
    const got = taken.find(({ task }) => task.id === first.id);
    const holder = { kind: 'agent', agentId: 'a2', attemptId: null } as const;
    await completeAttempt(deps, holder, got?.attempt.id ?? '', succeeded, { hash: 'h1' });
    await tellAll();
    const [then] = await dequeueAll();
    expect(then?.task.id).toBe(second.id);
    await startAttempt(deps, holder, then?.attempt.id ?? '', null);
    await completeAttempt(deps, holder, then?.attempt.id ?? '', succeeded, { hash: 'h2' });
    expect(await findTask(deps.db, second.id)).toMatchObject({ status: 'completed' });
  });

  it('waits for all of them, in whatever order they complete', async () => {
    const all = [await create(), await create(), await create()];
    const last = await create({ dependsOn: all.map(({ id }) => id) });
    for (const [left, { id }] of all.toReversed().entries()) {
      expect(await findTask(deps.db, last.id)).toMatchObject({ ready: false, unmetDependencies: 3 - left });
      await end(id, 'completed');
      await tellAll();
    }
    expect(await findTask(deps.db, last.id)).toMatchObject({ ready: true, unmetDependencies: 0 });
  });

  it('counts none twice, however often an end is announced', async () => {
    const [one, other] = [await create(), await create()];
    const last = await create({ dependsOn: [one.id, other.id] });
    await end(one.id, 'completed');
    await tellAll();
    await sql`insert into finished_dependencies (task_id) values (${one.id})`.execute(deps.db);
    await tellAll();
    expect(await findTask(deps.db, last.id)).toMatchObject({ ready: false, unmetDependencies: 1 });
  });

  it('runs last in a diamond, once', async () => {
    const top = await create();
    const sides = [await create({ dependsOn: [top.id] }), await create({ dependsOn: [top.id] })];
    const bottom = await create({ dependsOn: sides.map(({ id }) => id) });
    await end(top.id, 'completed');
    await tellAll();
    for (const { id } of sides) await end(id, 'completed');
    await tellAll();
    expect(await findTask(deps.db, bottom.id)).toMatchObject({ ready: true });
    expect(await typesOf(bottom.id)).toEqual(['created', 'dependency_met', 'dependency_met']);
  });

  it.each([1, 2, 3])('that comes back to itself over %i is refused, and none is made', async (length) => {
    const ids = Array.from({ length }, () => randomUUIDv7());
    const circle = ids.map((id, index) => ({ id, dependsOn: [ids[(index + 1) % length] as string] }));
    await expect(make(circle)).rejects.toMatchObject({ code: 'dependency_cycle' });
    expect(await findTask(deps.db, ids[0] as string)).toBeNull();
  });

  it('may stand before it in one call', async () => {
    const [first, second] = [randomUUIDv7(), randomUUIDv7()];
    await make([{ id: second, dependsOn: [first] }, { id: first }]);
    await end(first, 'completed');
    await tellAll();
    expect(await findTask(deps.db, second)).toMatchObject({ ready: true });
  });
});

const OUTCOMES: Record<DependencyReaction, Record<(typeof FINAL_STATUSES)[number], object>> = {
  cancel: {
    completed: { status: 'pending', ready: true, unmetDependencies: 0 },
    failed: { status: 'cancelled', ready: false, unmetDependencies: 1 },
    cancelled: { status: 'cancelled', ready: false, unmetDependencies: 1 },
  },
  wait: {
    completed: { status: 'pending', ready: true, unmetDependencies: 0 },
    failed: { status: 'pending', ready: false, unmetDependencies: 1 },
    cancelled: { status: 'pending', ready: false, unmetDependencies: 1 },
  },
  run: {
    completed: { status: 'pending', ready: true, unmetDependencies: 0 },
    failed: { status: 'pending', ready: true, unmetDependencies: 0 },
    cancelled: { status: 'pending', ready: true, unmetDependencies: 0 },
  },
};
const table = (Object.keys(OUTCOMES) as DependencyReaction[]).flatMap((reaction) =>
  FINAL_STATUSES.map((status) => ({ reaction, status })),
);

describe.each(table)('of one that is $status, a dependant that is to $reaction', ({ reaction, status }) => {
  it('becomes what the table says', async () => {
    const first = await create();
    const second = await create({ dependsOn: [first.id], onDependencyFailure: reaction });
    await end(first.id, status);
    await tellAll();
    expect(await findTask(deps.db, second.id)).toMatchObject(OUTCOMES[reaction][status]);
  });

  it('becomes the same when it is made after the end', async () => {
    const first = await create();
    await end(first.id, status);
    const second = await create({ dependsOn: [first.id], onDependencyFailure: reaction });
    await tellAll();
    expect(await findTask(deps.db, second.id)).toMatchObject(OUTCOMES[reaction][status]);
  });
});

describe('a dependency that failed', () => {
  it('cancels its dependant for a reason that a person understands', async () => {
    const first = await create();
    const second = await create({ dependsOn: [first.id] });
    await end(first.id, 'failed');
    await tellAll();
    const reason = `Task ${first.id}, which this one depends on, failed.`;
    expect(await findTask(deps.db, second.id)).toMatchObject({
      status: 'cancelled',
      stopReason: 'cancel',
      stopDetail: reason,
    });
    const [, told, cancelled] = await eventsOf(second.id);
    expect(told).toMatchObject({
      type: 'dependency_failed',
      fromStatus: null,
      toStatus: null,
      data: { depends_on: first.id, status: 'failed' },
    });
    expect(cancelled).toMatchObject({
      type: 'cancelled',
      fromStatus: 'pending',
      toStatus: 'cancelled',
      actor: { kind: 'server' },
      data: { reason },
    });
    const chain = await chainsOf(second.id);
    expect(chain?.head).toBe(chain?.last);
  });

  it('is told once to who waits for a person, and again when it fails again', async () => {
    const first = await create();
    const second = await create({ dependsOn: [first.id], onDependencyFailure: 'wait' });
    await end(first.id, 'failed');
    await tellAll();
    await create({ dependsOn: [first.id], onDependencyFailure: 'wait' });
    await tellAll();
    expect(await typesOf(second.id)).toEqual(['created', 'dependency_failed']);
    await retry(first.id);
    await end(first.id, 'failed');
    await tellAll();
    expect(await typesOf(second.id)).toEqual(['created', 'dependency_failed', 'dependency_failed']);
    await retry(first.id);
    await end(first.id, 'completed');
    await tellAll();
    expect(await findTask(deps.db, second.id)).toMatchObject({ ready: true });
  });

  it('tells nothing when it was retried before anybody was told', async () => {
    const first = await create();
    const second = await create({ dependsOn: [first.id] });
    await end(first.id, 'failed');
    await retry(first.id);
    await tellAll();
    expect(await findTask(deps.db, second.id)).toMatchObject({ status: 'pending', unmetDependencies: 1 });
    await end(first.id, 'completed');
    await tellAll();
    expect(await findTask(deps.db, second.id)).toMatchObject({ status: 'pending', ready: true });
  });

  it('leaves alone who is not pending any more', async () => {
    const first = await create();
    const second = await create({ dependsOn: [first.id] });
    await cancelTask(deps, alice, second.id, 'not needed');
    await end(first.id, 'failed');
    await tellAll();
    expect(await findTask(deps.db, second.id)).toMatchObject({ status: 'cancelled', stopDetail: 'not needed' });
    expect(await typesOf(second.id)).toEqual(['created', 'cancelled']);
  });
});

describe('many dependants', () => {
  it('of one are told at most 500 at a time, and each once', async () => {
    const first = await create();
    const fan = (count: number) => make(Array.from({ length: count }, () => ({ dependsOn: [first.id] })));
    await fan(700);
    await fan(501);
    await end(first.id, 'completed');
    const ready = async () => {
      const { rows } = await sql<{ ready: number }>`
        select count(*) filter (where t.ready) as ready from task_dependencies d join tasks t on t.id = d.task_id
        where d.depends_on = ${first.id}`.execute(deps.db);
      return rows[0]?.ready;
    };
    for (const expected of [500, 1_000, 1_201]) {
      await tellDependants(deps);
      expect(await ready()).toBe(expected);
    }
    expect(await tellDependants(deps)).toBe(0);
    const { rows } = await sql<{ told: number }>`
      select count(*) as told from events e join task_dependencies d on d.task_id = e.task_id
      where d.depends_on = ${first.id} and e.type = 'dependency_met'`.execute(deps.db);
    expect(rows[0]?.told).toBe(1_201);
  });

  it('that are to be cancelled are told to the last, though none of them is ever met', async () => {
    const first = await create();
    await make(Array.from({ length: 900 }, () => ({ dependsOn: [first.id], onDependencyFailure: 'wait' as const })));
    await make(Array.from({ length: 200 }, () => ({ dependsOn: [first.id] })));
    await end(first.id, 'cancelled');
    expect(await tellAll()).toBe(3);
    const { rows } = await sql<{ type: string; count: number }>`
      select e.type, count(*) from events e join task_dependencies d on d.task_id = e.task_id
      where d.depends_on = ${first.id} and e.type <> 'created' group by e.type order by e.type`.execute(deps.db);
    expect(rows).toEqual([
      { type: 'cancelled', count: 200 },
      { type: 'dependency_failed', count: 1_100 },
    ]);
  });

  it('of one that somebody holds keep no other from being told', async () => {
    const [held, free] = [await create(), await create()];
    const waiting = [await create({ dependsOn: [held.id] }), await create({ dependsOn: [free.id] })];
    await end(held.id, 'completed');
    await end(free.id, 'completed');
    const impatient = openDatabase({ connectionString: database.connectionString, max: 1, lockTimeoutSeconds: 0.2 });
    await deps.db.transaction().execute(async (trx) => {
      await lockTask(trx, held.id);
      await expect(tellDependants({ ...deps, db: impatient.db })).rejects.toThrow('lock timeout');
      expect(await findTask(deps.db, waiting[1]?.id ?? '')).toMatchObject({ ready: true });
    });
    await impatient.close();
    await tellAll();
    expect(await findTask(deps.db, waiting[0]?.id ?? '')).toMatchObject({ ready: true });
  });
});

describe('the loop', () => {
  it('tells dependants by itself, and whoever ends a task gives it a hint', async () => {
    const heard: string[] = [];
    const deaf = deps.wakeups.subscribe(({ kind }) => heard.push(kind));
    const loop = createDependantsLoop(deps, { info: () => {}, error: () => {} });
    const first = await create();
    const second = await create({ dependsOn: [first.id] });
    const third = await create({ dependsOn: [second.id] });
    await end(first.id, 'completed');
    expect(heard).toContain('ended');
    await waitFor(async () => (await findTask(deps.db, second.id))?.ready);
    heard.length = 0;
    await end(second.id, 'cancelled');
    expect(heard).toContain('ended');
    await waitFor(async () => (await findTask(deps.db, third.id))?.status === 'cancelled');
    await loop.stop();
    deaf();
  });
});
