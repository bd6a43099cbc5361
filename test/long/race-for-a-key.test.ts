import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { openGates } from '../../src/store/gates.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { FROM_THE_FIRST, giveStrayKeys } from '../../src/usecases/upkeep/give-stray-keys.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { approved, holderOf } from '../support/gates.ts';
import { somebodyWaits } from '../support/locks.ts';
import { take, WORK, workOff } from '../support/taken.ts';
import { alice, newTask, succeeded } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

const ROUNDS = 30;
let deps: Deps & { stop(): Promise<void> };

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 16 }));
});
afterAll(() => deps.stop());

const create = (key: string, changes: Partial<NewTask> = {}) =>
  createTask(deps, alice, newTask({ requires: [WORK], concurrencyKey: key, ...changes }));

/** Those that may run now, or do. */
async function going(key: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from tasks where concurrency_key = ${key} and (ready or status in ('assigned', 'running'))
    order by id`.execute(deps.db);
  return rows.map(({ id }) => id);
}

/** Works off all tasks of a key, one after the other; answers in how many turns. */
async function drain(key: string): Promise<number> {
  for (let turns = 0; ; turns++) {
    await giveStrayKeys(deps, FROM_THE_FIRST);
    const [one, ...others] = await going(key);
    expect(others).toEqual([]);
    if (one === undefined) return turns;
    expect(await holderOf(deps.db, key)).toBe(one);
    await workOff(deps, one, succeeded);
  }
}

it('of tasks created with one key at once exactly one is ready, and none is forgotten', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const key = `created ${round}`;
    await Promise.all(Array.from({ length: 4 }, () => create(key)));
    expect(await going(key)).toHaveLength(1);
    expect(await drain(key)).toBe(4);
  }
});

it('of tasks of one key approved at once exactly one is ready', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const key = `approved ${round}`;
    const tasks = await Promise.all(Array.from({ length: 4 }, () => create(key, { requiresApproval: true })));
    expect(await holderOf(deps.db, key)).toBeNull();
    await Promise.all(tasks.map(({ id }) => approved(deps, id)));
    expect(await going(key)).toHaveLength(1);
    expect(await drain(key)).toBe(4);
  }
});

it('a key that is handed over while others come, are approved or cancelled has one holder at a time', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const key = `handed over ${round}`;
    const holder = await create(key);
    const waiter = await create(key);
    const unapproved = await create(key, { requiresApproval: true });
    const taken = await take(deps, holder.id);
    const contestants = [
      () => taken.end(succeeded),
      () => create(key, { priority: 8 }),
      () => approved(deps, unapproved.id),
      () => cancelTask(deps, alice, waiter.id, null),
      () => giveStrayKeys(deps, FROM_THE_FIRST),
    ];
    const turned = [...contestants.slice(round % 5), ...contestants.slice(0, round % 5)];
    await Promise.all(turned.map((contestant) => contestant()));
    expect((await going(key)).length).toBeLessThanOrEqual(1);
    expect(await drain(key)).toBe(2);
    expect(await holderOf(deps.db, key)).toBeNull();
  }
});

it('all these races leave everything as it must be', () => expectHealthy(deps.db));

it('asking whether anybody holds the key, in the statement that makes ready, would make two ready', async () => {
  const [one, other] = await twoApproved('naive');
  const readyUnlessHeld = (id: string) => sql`
    update tasks set ready = true, ready_at = now()
    where id = ${id} and not exists (
      select from tasks t where t.concurrency_key = 'naive' and (t.ready or t.status in ('assigned', 'running')))`;
  const { db } = deps;
  await db.transaction().execute(async (first) => {
    await readyUnlessHeld(one).execute(first);
    await db.transaction().execute((second) => readyUnlessHeld(other).execute(second));
  });
  expect(await going('naive')).toHaveLength(2);
});

it('whoever comes while another takes the key waits for the answer, and is not ready', async () => {
  const [one, other] = await twoApproved('ours');
  const second = await deps.db.transaction().execute(async (first) => {
    expect(await openGates(first, [one])).toEqual([one]);
    const waiting = deps.db.transaction().execute((trx) => openGates(trx, [other]));
    await waitFor(() => somebodyWaits(deps.db));
    return { waiting };
  });
  expect(await second.waiting).toEqual([]);
  expect(await going('ours')).toEqual([one]);
});

/** Two that wait for nothing, as they stand between their approval and the taking of their key. */
async function twoApproved(key: string): Promise<[string, string]> {
  const tasks = [await create(key, { requiresApproval: true }), await create(key, { requiresApproval: true })];
  const ids = tasks.map(({ id }) => id);
  await sql`update tasks set approved_at = now() where id = any(${ids}::uuid[])`.execute(deps.db);
  return ids as [string, string];
}
