import { sql } from 'kysely';
import { afterAll, expect, it } from 'vitest';
import { insertTasks } from '../../src/store/new-tasks.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { databaseTime } from '../../src/store/task-changes.ts';
import { createCreate } from '../../src/usecases/create/create-task.ts';
import { newRow, plan } from '../../src/usecases/create/insert-tasks.ts';
import { blindConnection } from '../support/blind.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { somebodyWaits } from '../support/locks.ts';
import { alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

const database = await createTestDatabase();
const deps = await createTestDeps(database);
afterAll(() => deps.stop());

it('tasks that were made are not made again when what is said of them can not be found out', async () => {
  const { db, close } = openDatabase({ connectionString: blindConnection(database) });
  const create = createCreate({ ...deps, db });
  const made = ['a', 'b', 'c'].map((title) => create(alice, { task: newTask({ title }), bodyHash: null }, null));
  expect((await Promise.allSettled(made)).map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
  await close();
  const rows = await deps.db.selectFrom('tasks').select('title').orderBy('title').execute();
  expect(rows.map(({ title }) => title)).toEqual(['a', 'b', 'c']);
});

/** Else who reads the feed could take the number for one that nobody will use. */
it('a new task is written before its event has a number', async () => {
  const planned = plan(newTask(), alice, await deps.lanes.idOf({ requires: [], repository: null, agentId: null }));
  const at = await databaseTime(deps.db);
  const created = { row: newRow(planned, { at, mode: null, unmet: 0 }, deps.settings), actor: alice, data: {} };
  const lastNumber = async () =>
    (await sql<{ n: number }>`select last_value as n from events_sequence_seq`.execute(deps.db)).rows;
  let again: Promise<unknown> = Promise.resolve();
  await deps.db.transaction().execute(async (trx) => {
    await insertTasks(trx, [created]);
    const before = await lastNumber();
    again = insertTasks(deps.hot, [created]);
    again.catch(() => {});
    await waitFor(() => somebodyWaits(deps.db));
    expect(await lastNumber()).toEqual(before);
  });
  await expect(again).rejects.toMatchObject({ constraint: 'tasks_pkey' });
});
