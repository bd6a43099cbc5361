import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, expect, it } from 'vitest';
import { type NewTask, PLAIN } from '../../src/domain/task.ts';
import { insertTasks } from '../../src/store/new-tasks.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { createCreate } from '../../src/usecases/create/create-task.ts';
import { newRow, plan } from '../../src/usecases/create/insert-tasks.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { blindConnection } from '../support/blind.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
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

const anyTask = fc.record(
  {
    title: fc.constantFrom('a', 'b "c" \\ {d},', '\u2028\u0001😀'),
    body: fc.constantFrom(null, 'text', '\\x00', '{"a":null}'),
    template: fc.constantFrom(null, 'agent'),
    command: fc.constantFrom(['make'], ['sh', '-c', 'a "b" \\ {c},']),
    input: fc.constantFrom(null, 'in', ''),
    environment: fc.constantFrom({}, { A: '1' }, { A: '2', input_bytes: 'no' }),
    requires: fc.constantFrom([], ['docker'], ['docker', 'gpu']),
    limits: fc.constantFrom(PLAIN.limits, { ...PLAIN.limits, processes: 5 }),
    outputSchema: fc.constantFrom(null, { type: 'object' }, false, 'null'),
    priority: fc.constantFrom(0, 3, 10),
    executionMode: fc.constantFrom('undecided', 'http_pull'),
    timeoutSeconds: fc.constantFrom(300, 1),
    runAfter: fc.constantFrom(null, '2020-01-01T00:00:00.000000Z', '2099-01-01T00:00:00.000000Z'),
    requiresApproval: fc.boolean(),
    repeatable: fc.boolean(),
    repository: fc.constantFrom(null, 'forge:a/b'),
  } satisfies { [K in keyof NewTask]?: fc.Arbitrary<NewTask[K]> },
  { requiredKeys: [] },
);
const anyBytes = fc.constantFrom(null, Buffer.from([0, 255, 92, 120]), Buffer.alloc(0));

/** Those whose place in the queue or whose first event is another than their own time and title say. */
async function findMisplaced(): Promise<string[]> {
  const { ageingSecondsPerLevel } = deps.settings.dispatch;
  const { rows } = await sql<{ id: string }>`
    select t.id from tasks t left join events e on e.task_id = t.id and e.n = 1
    where rank is distinct from extract(epoch from greatest(created_at, run_after)) * 1000000 - priority * ${ageingSecondsPerLevel}::int8 * 1000000
      or ready_at is distinct from case when ready then created_at end or updated_at <> created_at
      or due_at is distinct from case when run_after > created_at then run_after end
      or ready <> (due_at is null and not requires_approval)
      or (e.text::json ->> 'at')::timestamptz is distinct from created_at
      or e.text::json -> 'data' ->> 'title' is distinct from title`.execute(deps.db);
  return rows.map(({ id }) => id);
}

/** Rows are sent as far as they differ from the first. */
it('each of the tasks that are written together is as it was asked for', async () => {
  const create = createCreate(deps);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyTask, anyBytes), { minLength: 1, maxLength: 6 }), async (all) => {
      const wanted = all.map(([changes, bytes]) =>
        newTask(bytes === null ? changes : { ...changes, input: null, inputBytes: bytes }),
      );
      const made = await Promise.all(wanted.map((task) => create(alice, { task, bodyHash: null }, null)));
      for (const [index, { tasks }] of made.entries()) {
        const [task] = tasks;
        expect(task).toMatchObject({ ...wanted[index], id: task?.id, status: 'pending', attempt: null });
        expect(await getTask(deps, task?.id ?? '')).toEqual(task);
      }
    }),
    { numRuns: 60 },
  );
  expect(await findMisplaced()).toEqual([]);
  await expectHealthy(deps.db);
});

/** Else who reads the feed could take the number for one that nobody will use. */
it('a new task is written before its event has a number', async () => {
  const planned = plan(newTask(), alice, await deps.lanes.idOf({ requires: [], repository: null, agentId: null }));
  const created = { row: newRow(planned, { mode: null, unmet: 0 }), actor: alice, data: {} };
  const options = { at: null, ageingSecondsPerLevel: 60 };
  const lastNumber = async () =>
    (await sql<{ n: number }>`select last_value as n from events_sequence_seq`.execute(deps.db)).rows;
  let again: Promise<unknown> = Promise.resolve();
  await deps.db.transaction().execute(async (trx) => {
    await insertTasks(trx, [created], options);
    const before = await lastNumber();
    again = insertTasks(deps.hot, [created], options);
    again.catch(() => {});
    await waitFor(() => somebodyWaits(deps.db));
    expect(await lastNumber()).toEqual(before);
  });
  await expect(again).rejects.toMatchObject({ constraint: 'tasks_pkey' });
});
