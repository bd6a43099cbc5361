import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { rankOf } from '../../src/domain/rank.ts';
import type { Task } from '../../src/domain/task.ts';
import { laneOf } from '../../src/store/lanes.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import { insertNewTasks, plan } from '../../src/usecases/create/insert-tasks.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { patchTask } from '../../src/usecases/task/patch-task.ts';
import { keepAgeing as keep } from '../../src/usecases/upkeep/keep-ageing.ts';
import { prepareInstallation } from '../../src/usecases/upkeep/prepare-installation.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps, testSettings } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { somebodyWaits } from '../support/locks.ts';
import { alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

let deps: Deps & { stop(): Promise<void> };
beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase());
  await prepareInstallation(deps, null);
});
afterEach(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
});

/** A replica whose file says this. */
const replica = (ageingSecondsPerLevel: number): Deps => ({
  ...deps,
  settings: { ...testSettings, dispatch: { ...testSettings.dispatch, ageingSecondsPerLevel } },
});
const day = 86_400;
const keepAgeing = (one: Deps) => keep(one, new AbortController().signal);

/** Microseconds since the epoch of an RFC 3339 time, whose seconds have up to six digits. */
function microsOf(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? '';
  const wholeSeconds = Math.floor(Date.parse(time) / 1000);
  return wholeSeconds * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

/** Every pending task has the rank that it would have if it were made with this ageing. */
async function expectRanks(ageing: number): Promise<void> {
  const rows = await deps.db.selectFrom('tasks').selectAll().where('status', '=', 'pending').execute();
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) {
    const since = [row.created_at, row.run_after ?? ''].toSorted().at(-1) ?? '';
    expect(row.rank).toBe(rankOf(microsOf(since), row.priority, ageing));
  }
}

it('an ageing that changed gives every pending task its place anew, at the start', async () => {
  expect(await keepAgeing(replica(day))).toMatchObject({ before: null, after: day });
  await createTask(deps, alice, newTask({ priority: 8 }));
  await createTask(deps, alice, newTask({ priority: 0, runAfter: '2099-01-01T00:00:00.000000Z' }));
  const { id } = await createTask(deps, alice, newTask());
  await cancelTask(deps, alice, id, null);
  await expectRanks(day);
  expect(await keepAgeing(replica(day))).toBeNull();
  expect(await keepAgeing(replica(60.5))).toEqual({ before: day, after: 60.5, reranked: 2 });
  await expectRanks(60.5);
});

it('tasks that a replica with another setting makes or changes have the ageing of the one that started last', async () => {
  const first = replica(day);
  await keepAgeing(first);
  await keepAgeing(replica(60));
  const { id } = await createTask(first, alice, newTask({ priority: 5 }));
  await expectRanks(60);
  await patchTask(first, alice, id, { priority: 8, runAfter: '2098-01-01T00:00:00.000000Z' }, 'any');
  await expectRanks(60);
});

it('before any start has said so a rank is computed with the own setting', async () => {
  const { id } = await createTask(replica(day), alice, newTask({ priority: 5 }));
  await patchTask(replica(day), alice, id, { priority: 8 }, 'any');
  await expectRanks(day);
});

async function createMany(count: number): Promise<Task[]> {
  const wanted = Array.from({ length: count }, (_, n) => ({ task: newTask({ priority: n % 11 }), bodyHash: null }));
  return (await createTasks(deps, alice, wanted, null)).tasks;
}

it('a start goes on where one that died ended', async () => {
  await keepAgeing(replica(60));
  const middle = (await createMany(2_100)).map(({ id }) => id).toSorted()[999] ?? '';
  await sql`update tasks set rank = rank + 1 where id > ${middle}`.execute(deps.db);
  await sql`update installation set reranked_up_to = ${middle}`.execute(deps.db);
  await expect(keep(replica(60), AbortSignal.abort())).rejects.toThrow('aborted');
  expect(await keepAgeing(replica(60))).toEqual({ before: 60, after: 60, reranked: 1_100 });
  await expectRanks(60);
  expect(await keepAgeing(replica(60))).toBeNull();
});

it('no task escapes that is written while the ageing changes', async () => {
  await keepAgeing(replica(day));
  const lane = await laneOf(deps.db, { requires: [], repository: null, agentId: null });
  const writing = await deps.db.startTransaction().execute();
  await insertNewTasks(writing, deps, [plan(newTask({ priority: 9 }), alice, lane)]);
  const changing = keepAgeing(replica(60));
  await waitFor(() => somebodyWaits(deps.db));
  const behind = createTask(replica(day), alice, newTask({ priority: 7 }));
  await writing.commit().execute();
  await Promise.all([changing, behind]);
  await expectRanks(60);
});

it('a replica that starts while another computes ranks has the last word on all of them', async () => {
  await createMany(3_100);
  for (const [first, last] of [
    [day, 60],
    [3600, day],
    [7, 3600],
    [60, 7],
  ] as const) {
    const computing = keepAgeing(replica(first));
    await waitFor(() => inTheMidst(first), { intervalMs: 1 });
    await Promise.all([computing, keepAgeing(replica(last))]);
    await expectRanks(last);
  }
});

/** Some have their ranks, others not yet; or all have by now. */
async function inTheMidst(ageing: number): Promise<boolean> {
  const row = await deps.db.selectFrom('installation').selectAll().executeTakeFirstOrThrow();
  return row.ageing_seconds_per_level === ageing && !row.reranked_up_to?.startsWith('00000000-');
}
