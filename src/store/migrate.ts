import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { addressOptions, type DatabaseAddress } from './address.ts';
import { noLog, type StoreLog } from './log.ts';

/** The database can't be brought to this program's tables. The message is one sentence for the operator. */
export class MigrationError extends Error {
  override name = 'MigrationError';
}

export type MigrateOptions = {
  /** Holds `NNNN-name.ts` files; the program's own `migrations/` unless said. */
  directory?: string;
  log?: StoreLog;
};

/** `version` is the database's afterwards, which may be newer than this program. */
export type Migrated = { applied: string[]; version: number };

type Migration = {
  version: number;
  name: string;
  checksum: string;
  /** The lowest number of a program that works with the tables as this migration leaves them. */
  oldestProgram: number;
  up(db: Transaction<unknown>): Promise<void>;
};

type Applied = { version: number; name: string; checksum: string };
type Step = { applied: string } | { version: number };

const ownDirectory = fileURLToPath(new URL('../../migrations', import.meta.url));
const lockKey = 0x7461736b; // "task"

/**
 * Brings a database forward to this program's tables. Each migration is a transaction that holds one advisory lock and
 * looks again at what is applied, so any number of servers may start at once, and one that dies leaves whole steps.
 * Throws {@link MigrationError} for a changed migration, one that comes too late, or a program too old for the database.
 */
export async function migrate(address: DatabaseAddress, options: MigrateOptions = {}): Promise<Migrated> {
  const { directory = ownDirectory, log = noLog } = options;
  const migrations = await loadMigrations(directory);
  const db = openPatiently(address, log);
  try {
    const applied: string[] = [];
    for (;;) {
      const step = await db.transaction().execute((trx) => takeStep(trx, migrations));
      if ('version' in step) return { applied, version: step.version };
      applied.push(step.applied);
      log.info({ migration: step.applied }, 'applied a migration');
    }
  } finally {
    await db.destroy();
  }
}

/** One connection, apart from the pool and its time limits: a migration may wait for others, and may take long. */
function openPatiently(address: DatabaseAddress, log: StoreLog): Kysely<unknown> {
  const pool = new pg.Pool({
    ...addressOptions(address),
    application_name: 'taskejo migrate',
    max: 1,
    connectionTimeoutMillis: 10_000,
  });
  pool.on('connect', (client) => {
    client.on('error', (error) => log.warn({ err: error }, 'the database connection of a migration was lost'));
  });
  pool.on('error', () => {}); // the same error once more
  return new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
}

async function takeStep(trx: Transaction<unknown>, migrations: Migration[]): Promise<Step> {
  await lockForMigration(trx);
  await ensureTables(trx);
  const { version, oldestProgram } = await readSchema(trx);
  const applied = await readApplied(trx);
  const own = migrations.at(-1)?.version ?? 0;
  if (own < oldestProgram) {
    throw new MigrationError(
      `This program knows the database up to version ${own}, and the database (version ${version}) ` +
        `needs a program that knows ${oldestProgram} at least; install a newer taskejo.`,
    );
  }
  refuseChanged(migrations, applied);
  const next = migrations.find((migration) => !applied.some((row) => row.version === migration.version));
  if (next === undefined) return { version };
  if (next.version < version) {
    throw new MigrationError(`Migration ${next.name} comes before version ${version}, which the database has already.`);
  }
  await runMigration(trx, next);
  return { applied: next.name };
}

function refuseChanged(migrations: Migration[], applied: Applied[]): void {
  for (const row of applied) {
    const own = migrations.find((migration) => migration.version === row.version);
    if (own === undefined || (own.name === row.name && own.checksum === row.checksum)) continue;
    throw new MigrationError(`Migration ${row.name} was changed after the database had applied it.`);
  }
}

async function runMigration(trx: Transaction<unknown>, migration: Migration): Promise<void> {
  try {
    await migration.up(trx);
  } catch (error) {
    throw new MigrationError(`Migration ${migration.name} failed (${error}).`, { cause: error });
  }
  await recordMigration(trx, migration);
}

async function lockForMigration(trx: Transaction<unknown>): Promise<void> {
  await sql`set local statement_timeout = 0`.execute(trx);
  await sql`set local lock_timeout = 0`.execute(trx);
  await sql`select pg_advisory_xact_lock(${lockKey})`.execute(trx);
}

/** Whoever only runs the server may read these tables and make none. */
async function ensureTables(trx: Transaction<unknown>): Promise<void> {
  const { rows } = await sql<{ known: boolean }>`
    select to_regclass('migrations') is not null and to_regclass('schema') is not null as known`.execute(trx);
  if (rows[0]?.known === true) return;
  await sql`
    create table if not exists migrations (
      version integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default clock_timestamp()
    )`.execute(trx);
  await sql`
    create table if not exists schema (
      only_row boolean primary key default true check (only_row),
      version integer not null,
      oldest_program integer not null
    )`.execute(trx);
  await sql`insert into schema (version, oldest_program) values (0, 0) on conflict do nothing`.execute(trx);
}

async function readSchema(trx: Transaction<unknown>): Promise<{ version: number; oldestProgram: number }> {
  const { rows } = await sql<{ version: number; oldest_program: number }>`
    select version, oldest_program from schema`.execute(trx);
  const [schema = { version: 0, oldest_program: 0 }] = rows;
  return { version: schema.version, oldestProgram: schema.oldest_program };
}

async function readApplied(trx: Transaction<unknown>): Promise<Applied[]> {
  const { rows } = await sql<Applied>`select version, name, checksum from migrations order by version`.execute(trx);
  return rows;
}

async function recordMigration(trx: Transaction<unknown>, migration: Migration): Promise<void> {
  const { version, name, checksum, oldestProgram } = migration;
  await sql`insert into migrations (version, name, checksum) values (${version}, ${name}, ${checksum})`.execute(trx);
  await sql`
    update schema set version = ${version}, oldest_program = greatest(oldest_program, ${oldestProgram})`.execute(trx);
}

async function loadMigrations(directory: string): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => /^\d{4}-.*\.[jt]s$/.test(file)).sort();
  const migrations = await Promise.all(files.map((file) => loadMigration(directory, file)));
  const twice = migrations.find(({ version }, index) => migrations[index + 1]?.version === version);
  if (twice !== undefined) throw new MigrationError(`There are two migrations with the number of ${twice.name}.`);
  return migrations;
}

async function loadMigration(directory: string, file: string): Promise<Migration> {
  const path = join(directory, file);
  const [text, module] = await Promise.all([readFile(path, 'utf8'), import(pathToFileURL(path).href)]);
  const name = file.replace(/\.[jt]s$/, '');
  const { up, oldestProgram } = module as { up?: unknown; oldestProgram?: unknown };
  if (typeof up !== 'function' || typeof oldestProgram !== 'number') {
    throw new MigrationError(`Migration ${name} doesn't export up and oldestProgram.`);
  }
  return {
    version: Number.parseInt(file.slice(0, 4), 10),
    name,
    checksum: createHash('sha256').update(text).digest('hex'),
    oldestProgram,
    up: up as Migration['up'],
  };
}
