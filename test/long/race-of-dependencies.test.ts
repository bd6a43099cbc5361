import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NewTask } from '../../src/domain/task.ts';
import { insertDependencies, lockDependencies } from '../../src/store/dependencies.ts';
import { findTask } from '../../src/store/tasks.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { somebodyWaits } from '../support/locks.ts';
import { take, WORK, workOff } from '../support/taken.ts';
import { alice, newTask, succeeded } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

const ROUNDS = 60;
let deps: Deps & { stop(): Promise<void> };

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 16 }));
});
afterAll(() => deps.stop());

const create = (changes: Partial<NewTask> = {}) => createTask(deps, alice, newTask({ requires: [WORK], ...changes }));
async function tellAll() {
  while ((await tellDependants(deps)) > 0);
}
async function events(id: string, type: string): Promise<number> {
  const { rows } = await sql`select 1 from events where task_id = ${id} and type = ${type}`.execute(deps.db);
  return rows.length;
}
/** The rows of a task's dependencies that are not met, counted anew. */
async function unmet(id: string): Promise<number> {
  const { rows } = await sql`select 1 from task_dependencies where task_id = ${id} and not met`.execute(deps.db);
  return rows.length;
}

it('a dependant that is created while its dependency completes is ready in the end', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const dependency = await create();
    const taken = await take(deps, dependency.id);
    const id = randomUUIDv7();
    const contestants = [
      () => taken.end(succeeded),
      () => create({ id, dependsOn: [dependency.id] }),
      () => tellDependants(deps),
    ];
    const turned = [...contestants.slice(round % 3), ...contestants.slice(0, round % 3)];
    await Promise.all(turned.map((contestant) => contestant()));
    await tellAll();
    expect(await findTask(deps.db, id)).toMatchObject({ ready: true, unmetDependencies: 0 });
    expect(await unmet(id)).toBe(0);
  }
});

it('a dependant of ten that complete at once is counted down by each of them once', async () => {
  for (let round = 0; round < ROUNDS / 3; round++) {
    const ten = await Promise.all(Array.from({ length: 10 }, () => create()));
    const { id } = await create({ dependsOn: ten.map((task) => task.id) });
    const taken = await Promise.all(ten.map((task) => take(deps, task.id)));
    await Promise.all([...taken.map((one) => one.end(succeeded)), tellDependants(deps), tellDependants(deps)]);
    await Promise.all([tellAll(), tellAll(), tellAll()]);
    expect(await findTask(deps.db, id)).toMatchObject({ ready: true, unmetDependencies: 0 });
    expect(await unmet(id)).toBe(0);
    expect(await events(id, 'dependency_met')).toBe(10);
  }
});

it('a dependant that is cancelled by hand while its dependency ends has one ending', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const dependency = await create();
    const { id } = await create({ dependsOn: [dependency.id] });
    await cancelTask(deps, alice, dependency.id, null);
    await Promise.all([cancelTask(deps, alice, id, 'by hand'), tellDependants(deps), tellDependants(deps)]);
    await tellAll();
    expect(await findTask(deps.db, id)).toMatchObject({ status: 'cancelled' });
    expect(await events(id, 'cancelled')).toBe(1);
  }
});

it('tasks that are older than what they depend on lock nobody out', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    // Ids that their caller chose: the dependants' come before their dependency's.
    const ids = Array.from({ length: 6 }, () => randomUUIDv7());
    const [left = '', right = '', ...late] = ids.slice(0, -1);
    const dependency = ids.at(-1) ?? '';
    await createTasks(
      deps,
      alice,
      [{ id: dependency }, { id: left, dependsOn: [dependency] }, { id: right, dependsOn: [left, dependency] }].map(
        (changes) => ({ task: newTask({ requires: [WORK], ...changes }), bodyHash: null }),
      ),
      null,
    );
    await workOff(deps, dependency, succeeded);
    await Promise.all([
      tellDependants(deps),
      ...late.map((id) => create({ id, dependsOn: [dependency, right, left] })),
      tellDependants(deps),
      cancelTask(deps, alice, right, null),
    ]);
    await tellAll();
    for (const id of late) expect(await findTask(deps.db, id)).toMatchObject({ status: 'cancelled' });
    expect(await findTask(deps.db, left)).toMatchObject({ ready: true });
  }
});

it('all these races leave everything as it must be', () => expectHealthy(deps.db));

it('counting down in the statement that completes would leave a dependant waiting for ever', async () => {
  const dependency = await create();
  const { id } = await create({ requiresApproval: true });
  await take(deps, dependency.id);
  const completing = await deps.db.transaction().execute(async (creating) => {
    await depend(creating, id, dependency.id, 'share');
    const naive = sql`
      with done as (
        update tasks set status = 'completed', finished_at = now(), lease_expires_at = null
        where id = ${dependency.id} returning id),
      met as (
        update task_dependencies d set met = true from done where d.depends_on = done.id and not met returning d.task_id)
      update tasks set unmet_dependencies = unmet_dependencies - 1 where id in (select task_id from met)`;
    const waiting = naive.execute(deps.db);
    await waitFor(() => somebodyWaits(deps.db));
    return { waiting };
  });
  await completing.waiting;
  await tellAll();
  expect(await findTask(deps.db, dependency.id)).toMatchObject({ status: 'completed' });
  expect(await findTask(deps.db, id)).toMatchObject({ unmetDependencies: 1 });
});

it('told in a later transaction, a dependant that came between is found', async () => {
  const dependency = await create();
  const { id } = await create({ requiresApproval: true });
  const taken = await take(deps, dependency.id);
  const completing = await deps.db.transaction().execute(async (creating) => {
    await depend(creating, id, dependency.id, 'ours');
    const waiting = taken.end(succeeded);
    await waitFor(() => somebodyWaits(deps.db));
    return { waiting };
  });
  await completing.waiting;
  await tellAll();
  expect(await findTask(deps.db, id)).toMatchObject({ unmetDependencies: 0 });
});

/** What a creation does about its dependency, before it commits. */
async function depend(
  trx: Parameters<typeof insertDependencies>[0],
  id: string,
  dependency: string,
  lock: 'share' | 'ours',
): Promise<void> {
  if (lock === 'share') await sql`select 1 from tasks where id = ${dependency} for share`.execute(trx);
  else await lockDependencies(trx, [dependency]);
  await sql`update tasks set unmet_dependencies = 1 where id = ${id}`.execute(trx);
  if (lock === 'ours') await insertDependencies(trx, [{ taskId: id, dependsOn: dependency, met: false }]);
  else await sql`insert into task_dependencies (task_id, depends_on) values (${id}, ${dependency})`.execute(trx);
}
