import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { lockTask } from '../../src/store/task-changes.ts';
import { findTask } from '../../src/store/tasks.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { FROM_THE_FIRST, giveStrayKeys } from '../../src/usecases/upkeep/give-stray-keys.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { approved, holderOf, letTimePass } from '../support/gates.ts';
import { somebodyWaits } from '../support/locks.ts';
import { take, WORK, workOff } from '../support/taken.ts';
import { alice, failed, newTask, succeeded } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

let deps: Deps & { stop(): Promise<void> };
const later = () => new Date(Date.now() + 3_600_000).toISOString();

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 6 }));
  await sweep(deps);
});
afterAll(() => deps.stop());

const create = (changes: Partial<NewTask> = {}) => createTask(deps, alice, newTask({ requires: [WORK], ...changes }));
const complete = (id: string) => workOff(deps, id, succeeded);
const isReady = async (id: string) => (await findTask(deps.db, id))?.ready;
async function tellAll() {
  while ((await tellDependants(deps)) > 0);
}

const GATES = ['time', 'dependency', 'another dependency', 'approval', 'key'] as const;
type Gate = (typeof GATES)[number];

/** A task with these gates closed, and what opens each. */
async function closed(gates: readonly Gate[], key: string) {
  const has = (gate: Gate) => gates.includes(gate);
  const holder = has('key') ? await create({ concurrencyKey: key }) : null;
  const first = has('dependency') ? await create() : null;
  const second = has('another dependency') ? await create() : null;
  const task = await create({
    runAfter: has('time') ? later() : null,
    dependsOn: [first, second].flatMap((one) => (one === null ? [] : [one.id])),
    requiresApproval: has('approval'),
    concurrencyKey: key,
  });
  const open: Record<Gate, () => Promise<unknown>> = {
    time: () => letTimePass(deps.db, [task.id]).then(() => sweep(deps)),
    dependency: () => complete(first?.id ?? '').then(tellAll),
    'another dependency': () => complete(second?.id ?? '').then(tellAll),
    approval: () => approved(deps, task.id),
    key: () => complete(holder?.id ?? ''),
  };
  return { id: task.id, open };
}

it('a task is ready exactly when the last of its gates opens, whichever it is, and holds its key from then on', async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([...GATES]), async (gates) => {
      const key = `key ${round++}`;
      const { id, open } = await closed(gates, key);
      for (const [index, gate] of gates.entries()) {
        expect(await isReady(id), `before ${gate} opens, of ${gates}`).toBe(false);
        await open[gate]();
        if (index < gates.length - 1) expect(await holderOf(deps.db, key)).not.toBe(id);
      }
      expect(await isReady(id), `all of ${gates} are open`).toBe(true);
      expect(await holderOf(deps.db, key)).toBe(id);
    }),
    { numRuns: 60 },
  );
});

it('a task is ready when all its gates open at once', async () => {
  for (let round = 0; round < 20; round++) {
    const key = `key of all at once ${round}`;
    const { id, open } = await closed(GATES, key);
    await Promise.all(GATES.map((gate) => open[gate]()));
    await sweep(deps);
    await tellAll();
    await giveStrayKeys(deps, FROM_THE_FIRST);
    expect(await isReady(id)).toBe(true);
    expect(await holderOf(deps.db, key)).toBe(id);
  }
});

it('opening gates leaves everything as it must be', () => expectHealthy(deps.db));

describe('the gate of time', () => {
  it('opens for all that are due, those that go on waiting for something else among them', async () => {
    const blocked = await create({ requiresApproval: true, runAfter: later() });
    const free = await create({ runAfter: later() });
    await sql`
      insert into tasks select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).*
      from tasks t, generate_series(1, 600) where t.id = ${blocked.id}`.execute(deps.db);
    await sql`update tasks set due_at = now() - interval '1 minute' where due_at is not null`.execute(deps.db);
    await letTimePass(deps.db, [free.id]);
    await sweep(deps);
    expect(await isReady(free.id)).toBe(true);
    expect(await isReady(blocked.id)).toBe(false);
    await approved(deps, blocked.id);
    expect(await isReady(blocked.id)).toBe(true);
  });

  const dueAtOnce = async (tasks: number) => {
    const { id } = await create({ runAfter: later() });
    await sql`
      insert into tasks select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).*
      from tasks t, generate_series(2, ${tasks}::int) where t.id = ${id}`.execute(deps.db);
    await sql`update tasks set due_at = now() - interval '1 minute' where due_at is not null`.execute(deps.db);
  };
  const stillDue = async () => {
    const { count } = deps.db.fn;
    const { due } = await deps.db.selectFrom('tasks').select(count('due_at').as('due')).executeTakeFirstOrThrow();
    return Number(due);
  };

  it('leaves what is due to the next sweep where this one is told to stop, after a word about what is ready', async () => {
    await dueAtOnce(600);
    const stop = new AbortController();
    const unsubscribe = deps.wakeups.subscribe((hint) => hint.kind === 'ready' && stop.abort());
    await sweep(deps, stop.signal);
    unsubscribe();
    expect(await stillDue()).toBe(100);
    await sweep(deps);
    expect(await stillDue()).toBe(0);
  });

  it('takes no time that leases need: the next sweep goes on', async () => {
    await dueAtOnce(600);
    const leases = { ...deps.settings.leases, sweepSeconds: 0 };
    await sweep({ ...deps, settings: { ...deps.settings, leases } });
    expect(await stillDue()).toBe(100);
    await sweep(deps);
    expect(await stillDue()).toBe(0);
  });

  it('leaves a key to who holds it, and the task ready when it is free', async () => {
    const holder = await create({ concurrencyKey: 'due' });
    const waiter = await create({ concurrencyKey: 'due', runAfter: later() });
    await letTimePass(deps.db, [waiter.id]);
    await sweep(deps);
    expect(await isReady(waiter.id)).toBe(false);
    await complete(holder.id);
    expect(await isReady(waiter.id)).toBe(true);
  });

  it('opens for the delay before a retry, during which the task keeps its key', async () => {
    const task = await create({ concurrencyKey: 'retried', maxRetries: 1 });
    const other = await create({ concurrencyKey: 'retried' });
    await workOff(deps, task.id, failed('exit', 1));
    expect(await holderOf(deps.db, 'retried')).toBe(task.id);
    await letTimePass(deps.db, [task.id]);
    await sweep(deps);
    expect(await isReady(task.id)).toBe(true);
    expect(await isReady(other.id)).toBe(false);
  });
});

describe('a concurrency key', () => {
  it('goes to the best-ranked that waits for nothing else', async () => {
    const holder = await create({ concurrencyKey: 'ranked' });
    const low = await create({ concurrencyKey: 'ranked', priority: 1 });
    const high = await create({ concurrencyKey: 'ranked', priority: 8 });
    const highest = await create({ concurrencyKey: 'ranked', priority: 10, requiresApproval: true });
    await complete(holder.id);
    expect(await Promise.all([low, high, highest].map(({ id }) => isReady(id)))).toEqual([false, true, false]);
    await approved(deps, highest.id);
    await cancelTask(deps, alice, high.id, null);
    expect(await Promise.all([low, highest].map(({ id }) => isReady(id)))).toEqual([false, true]);
  });

  it('that becomes free while its only waiter is being changed is given to that one later', async () => {
    const holder = await create({ concurrencyKey: 'changed' });
    const waiter = await create({ concurrencyKey: 'changed' });
    await deps.db.transaction().execute(async (trx) => {
      await lockTask(trx, waiter.id);
      await complete(holder.id);
      expect(await giveStrayKeys(deps, FROM_THE_FIRST)).toMatchObject({ given: 0 });
    });
    expect(await isReady(waiter.id)).toBe(false);
    expect(await giveStrayKeys(deps, FROM_THE_FIRST)).toMatchObject({ given: 1 });
    expect(await isReady(waiter.id)).toBe(true);
    expect(await holderOf(deps.db, 'changed')).toBe(waiter.id);
  });

  it.each(['ended', 'gone'])('whose holder is %s goes to who waits for it, and else is free', async (how) => {
    const key = `stray ${how}`;
    const holder = await create({ concurrencyKey: key });
    const waiter = await create({ concurrencyKey: key });
    const taken = await create({ concurrencyKey: `${key} and alone` });
    await breakOff([holder.id, taken.id], how);
    expect(await giveStrayKeys(deps, FROM_THE_FIRST)).toMatchObject({ given: 2 });
    expect(await isReady(waiter.id)).toBe(true);
    expect(await holderOf(deps.db, `${key} and alone`)).toBeNull();
    expect(await giveStrayKeys(deps, FROM_THE_FIRST)).toMatchObject({ given: 0 });
  });

  it('is left to a holder that waits or works', async () => {
    const holders = [await create({ concurrencyKey: 'waits' }), await create({ concurrencyKey: 'works' })];
    await take(deps, holders[1]?.id ?? '');
    for (const { concurrencyKey } of holders) await create({ concurrencyKey });
    expect(await giveStrayKeys(deps, FROM_THE_FIRST)).toMatchObject({ given: 0 });
    expect(await holderOf(deps.db, 'waits')).toBe(holders[0]?.id);
    expect(await holderOf(deps.db, 'works')).toBe(holders[1]?.id);
  });

  it('is left to a holder that is retried while its key is about to be taken from it', async () => {
    const holder = await create({ concurrencyKey: 'retried meanwhile' });
    const waiter = await create({ concurrencyKey: 'retried meanwhile' });
    await breakOff([holder.id], 'ended');
    const giving = await deps.db.transaction().execute(async (trx) => {
      await lockTask(trx, holder.id);
      const waiting = giveStrayKeys(deps, FROM_THE_FIRST);
      await waitFor(() => somebodyWaits(deps.db));
      await sql`update tasks set status = 'pending', ready = true, ready_at = now(), finished_at = null
        where id = ${holder.id}`.execute(trx);
      return { waiting };
    });
    expect(await giving.waiting).toMatchObject({ given: 0 });
    expect(await holderOf(deps.db, 'retried meanwhile')).toBe(holder.id);
    expect(await isReady(waiter.id)).toBe(false);
  });

  it('is found among very many, some at a time', async () => {
    const holder = await create({ concurrencyKey: 'many' });
    const waiter = await create({ concurrencyKey: 'many', requiresApproval: true });
    await sql`
      insert into tasks select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(),
        'concurrency_key', 'many ' || lpad(n::text, 4, '0'), 'requires_approval', false))).*
      from tasks t, generate_series(1, 1200) n where t.id = ${waiter.id}`.execute(deps.db);
    const other = await create();
    await sql`
      insert into concurrency select 'many ' || lpad(n::text, 4, '0'), ${other.id} from generate_series(1, 1199) n`.execute(
      deps.db,
    );
    await cancelTask(deps, alice, holder.id, null);
    let from = FROM_THE_FIRST;
    let given = 0;
    let looks = 0;
    do {
      const look = await giveStrayKeys(deps, from);
      given += look.given;
      from = look.next;
      looks++;
    } while (from.waitedFor !== '');
    expect({ given, looks }).toEqual({ given: 1, looks: 3 });
    expect(await holderOf(deps.db, 'many 1200')).not.toBeNull();
    await sql`update tasks set status = 'cancelled', ready = false, finished_at = now()
      where concurrency_key like 'many%'`.execute(deps.db);
    await sql`delete from concurrency where key like 'many%'`.execute(deps.db);
  });
});

/** What no program of ours does: a holder that let go of nothing. */
const breakOff = (ids: readonly string[], how: string) =>
  how === 'gone'
    ? sql`delete from tasks where id = any(${ids}::uuid[])`.execute(deps.db)
    : sql`update tasks set status = 'cancelled', ready = false, finished_at = now()
        where id = any(${ids}::uuid[])`.execute(deps.db);
