import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { type Migrated, MigrationError, migrate } from '../../src/store/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { temporaryFolder } from '../support/temporary.ts';

type Fixture = { statements: string[]; oldestProgram?: number };

const first = { '0001-letters': { statements: ['create table letters (letter text primary key)'] } };
const second = { '0002-words': { statements: ['create table words (word text)', "insert into letters values ('a')"] } };
const third = { '0003-drop': { statements: ['drop table words'], oldestProgram: 3 } };

/** A folder with migrations, as another release of the program would ship it. */
function release(migrations: Record<string, Fixture>): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  for (const [name, { statements, oldestProgram = 1 }] of Object.entries(migrations)) {
    writeFileSync(
      join(folder, `${name}.ts`),
      `export const oldestProgram: number = ${oldestProgram};
       export async function up(db: any): Promise<void> {
         const raw = (text: string) => ({ sql: text, parameters: [], query: { kind: 'RawNode' }, queryId: {} });
         for (const text of ${JSON.stringify(statements)}) await db.executeQuery(raw(text));
       }`,
    );
  }
  return folder;
}

const emptyDatabase = () => createTestDatabase({ empty: true });

function run({ connectionString }: TestDatabase, directory: string): Promise<Migrated> {
  return migrate({ connectionString }, { directory });
}

async function has(database: TestDatabase, table: string): Promise<boolean> {
  const { rows } = await database.pool.query('select to_regclass($1) is not null as there', [table]);
  return rows[0].there;
}

describe('migrate', () => {
  test('applies what is missing, in order, and then nothing', async () => {
    const database = await emptyDatabase();
    expect(await run(database, release(first))).toEqual({ applied: ['0001-letters'], version: 1 });
    const both = release({ ...first, ...second });
    expect(await run(database, both)).toEqual({ applied: ['0002-words'], version: 2 });
    expect(await run(database, both)).toEqual({ applied: [], version: 2 });
    const { rows } = await sql`select version, name, length(checksum) as length from migrations order by 1`.execute(
      database.db,
    );
    expect(rows).toEqual([
      { version: 1, name: '0001-letters', length: 64 },
      { version: 2, name: '0002-words', length: 64 },
    ]);
  });

  test('applies each migration once when four servers start at once on an empty database', async () => {
    const database = await emptyDatabase();
    const folder = release({ ...first, ...second, ...third });
    const results = await Promise.all([1, 2, 3, 4].map(() => run(database, folder)));
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(['0001-letters', '0002-words', '0003-drop']);
    expect(results.map(({ version }) => version)).toEqual([3, 3, 3, 3]);
  });

  test('leaves nothing of a migration that fails, and keeps those before it', async () => {
    const database = await emptyDatabase();
    const broken = { '0002-words': { statements: ['create table words (word text)', 'select 1/0'] } };
    const failure = run(database, release({ ...first, ...broken }));
    await expect(failure).rejects.toThrow(MigrationError);
    await expect(failure).rejects.toThrow('Migration 0002-words failed (error: division by zero).');
    expect([await has(database, 'letters'), await has(database, 'words')]).toEqual([true, false]);
    expect(await run(database, release({ ...first, ...second }))).toMatchObject({ applied: ['0002-words'] });
  });

  test('refuses a migration that was changed after it was applied, by its name', async () => {
    const database = await emptyDatabase();
    await run(database, release(first));
    const changed = { '0001-letters': { statements: ['create table letters (letter text)'] } };
    const refusal = run(database, release({ ...changed, ...second }));
    await expect(refusal).rejects.toThrow('Migration 0001-letters was changed');
    expect(await has(database, 'words')).toBe(false);
  });

  test('refuses a migration that comes before what the database has', async () => {
    const database = await emptyDatabase();
    await run(database, release(secondAlone()));
    await expect(run(database, release({ ...first, ...secondAlone() }))).rejects.toThrow(
      'Migration 0001-letters comes before version 2',
    );
  });

  test('refuses two migrations of one number', async () => {
    const database = await emptyDatabase();
    const twins = { ...first, '0001-numbers': { statements: [] } };
    await expect(run(database, release(twins))).rejects.toThrow('two migrations with the number of 0001-letters');
  });

  test('refuses a file that is no migration, by its name', async () => {
    const folder = release(first);
    writeFileSync(join(folder, '0002-notes.ts'), 'export const notes: string = "later";');
    await expect(run(await emptyDatabase(), folder)).rejects.toThrow("0002-notes doesn't export up and oldestProgram");
  });

  test('accepts a newer database that still serves this program', async () => {
    const database = await emptyDatabase();
    await run(database, release({ ...first, ...second }));
    expect(await run(database, release(first))).toEqual({ applied: [], version: 2 });
  });

  test('refuses a program that is too old for the database, and says which it needs', async () => {
    const database = await emptyDatabase();
    await run(database, release({ ...first, ...second, ...third }));
    await expect(run(database, release({ ...first, ...second }))).rejects.toThrow(
      'This program knows the database up to version 2, and the database (version 3) needs a program that knows 3',
    );
  });

  test("brings a database to the program's own tables", async () => {
    const database = await createTestDatabase();
    const { applied, version } = await migrate(database);
    expect(applied).toEqual([]);
    expect(version).toBeGreaterThan(0);
  });

  test('numbers of the attempts that are there those that take a place, and all that come', async () => {
    const database = await emptyDatabase();
    const { pool } = database;
    const ours = fileURLToPath(new URL('../../migrations/', import.meta.url));
    const before = temporaryFolder();
    for (const name of readdirSync(ours)) if (name < '0010') symlinkSync(join(ours, name), join(before, name));
    await run(database, before);
    const attempt = (id: number, settled: boolean) =>
      pool.query(
        `insert into attempts (id, task_id, number, execution_mode, agent_id, token_hash, leased_at, finished_at, outcome, settled)
        values ($1, $2, $3, 'http_pull', 'a', '', now(), now(), 'lost', $4)`,
        [idOf(id), idOf(0), id, settled],
      );
    const idOf = (n: number) => `0199c000-0000-7000-8000-00000000000${n}`;
    await pool.query('alter table attempts disable trigger all'); // of no task
    await attempt(1, true);
    await attempt(2, false);
    await run(database, ours);
    await attempt(3, false);
    const { rows } = await pool.query('select number, sequence::int from attempts order by number');
    expect(rows).toEqual([
      { number: 1, sequence: 0 },
      { number: 2, sequence: 1 },
      { number: 3, sequence: 2 },
    ]);
  });

  test('leaves nothing of what grows with every task to be analyzed by a large sample', async () => {
    const { pool } = await createTestDatabase();
    const { rows } = await pool.query(`
      select a.attrelid::regclass::text as of, a.attname as name
      from pg_attribute a left join pg_index i on i.indexrelid = a.attrelid
      where coalesce(i.indrelid, a.attrelid) in ('tasks'::regclass, 'attempts'::regclass, 'events'::regclass)
        and a.attnum > 0 and not a.attisdropped
        and (i.indkey is null or i.indkey[a.attnum - 1] = 0)
        and a.attstattarget is distinct from 10`);
    expect(rows).toEqual([]);
  });

  function secondAlone(): Record<string, Fixture> {
    return { '0002-words': { statements: ['create table words (word text)'] } };
  }
});
