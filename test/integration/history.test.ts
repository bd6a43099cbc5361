import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { listEvents } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { alice, newTask } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 8 }));
});
afterAll(() => deps.stop());

it('anyone can check the chain of a task with SHA-256 over the hash before and the text', async () => {
  const { id } = await createTask(deps, alice, newTask({ title: 'naïve ☃ "quoted"\n' }));
  await cancelTask(deps, alice, id, 'no longer wanted');
  const { rows } = await sql<{ text: string; hash: string }>`
    select text, hash from events where task_id = ${id} order by n`.execute(deps.db);
  let previous = '';
  for (const { text, hash } of rows) {
    expect(createHash('sha256').update(previous).update(text).digest('hex')).toBe(hash);
    previous = hash;
  }
  expect(rows).toHaveLength(2);
  const head = await sql<{ event_hash: string }>`select event_hash from tasks where id = ${id}`.execute(deps.db);
  expect(head.rows[0]?.event_hash).toBe(previous);
});

it('changes of one task at once stand one after the other in its chain', async () => {
  const { id } = await createTask(deps, alice, newTask());
  await Promise.all(Array.from({ length: 8 }, (_, n) => cancelTask(deps, alice, id, `reason ${n}`)));
  const { items } = await listEvents(deps, id, { limit: 50, cursor: null });
  expect(items.map(({ n, type }) => [n, type])).toEqual([
    [1, 'created'],
    [2, 'cancelled'],
  ]);
});

it('an event has its time with microseconds', async () => {
  const { id } = await createTask(deps, alice, newTask());
  const { items } = await listEvents(deps, id, { limit: 50, cursor: null });
  expect(items[0]?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
});

const TABLES = readdirSync(new URL('../../src/store/tables', import.meta.url));

it('the types of the tables name the columns that the database has', async () => {
  const read = (path: string) => readFileSync(new URL(`../../src/store/${path}`, import.meta.url), 'utf8');
  const source = read('schema.ts');
  const tables = new Map(
    [...source.matchAll(/^ {2}(\w+): (\w+Table);$/gm)].map(([, table, type]) => [table ?? '', type ?? '']),
  );
  const types = TABLES.map((name) => read(`tables/${name}`)).join('\n');
  const told = new Map([...tables].map(([table, type]) => [table, columnsOf(types, type)]));
  const { rows } = await sql<{ table_name: string; columns: string[] }>`
    select table_name, array_agg(column_name::text order by column_name) as columns
    from information_schema.columns where table_schema = 'public' and table_name not in ('migrations', 'schema')
    group by table_name`.execute(deps.db);
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(rows.map((row) => [row.table_name, row.columns])));
});

function columnsOf(source: string, type: string): string[] {
  const body = new RegExp(`^export type ${type} = \\{([^}]*)\\};`, 'm').exec(source)?.[1] ?? '';
  return [...body.matchAll(/(\w+): /g)].map(([, column]) => column ?? '').sort();
}
