import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { AgentError } from './exit.ts';
import { checkPrivateFile, ensurePrivateFile } from './private-files.ts';
import type { Reserve } from './reserve.ts';

/** Nothing more can be written, not even with what was held in reserve. */
export class StoreFull extends Error {
  override name = 'StoreFull';
}

/** How long a write of another process may hold one of ours up: each is some rows and one `fsync`. */
const OTHERS_MS = 5_000;

/** Each brings the file one version further; a file that has seen all of them is of this program's version. */
const MIGRATIONS = [
  `create table attempts (
    attempt_id text primary key,
    task text,
    machine text,
    process text,
    result text,
    left_as text check (left_as in ('reported', 'fenced')),
    left_at integer,
    cleaned integer not null default 0
  ) strict, without rowid;
  create table request (only_row integer primary key check (only_row = 1), id text not null) strict;`,
  `alter table attempts add column task_id text;
  alter table attempts add column number integer;
  alter table attempts add column ended_n integer;
  alter table attempts add column ended_at text;
  update attempts set task_id = task ->> 'taskId', number = task ->> 'number';
  create table about (
    only_row integer primary key check (only_row = 1),
    store_id text not null,
    starts integer not null default 0,
    generation integer not null default 0,
    drained integer not null default 0
  ) strict;
  insert into about (only_row, store_id) values (1, lower(hex(randomblob(16))));`,
];

/**
 * Opens the file and brings it to this program's version. One that a newer agent wrote, or that is damaged, is left
 * exactly as it is. @throws {AgentError}
 */
export function openStoreFile(path: string): DatabaseSync {
  ensurePrivateFile(path);
  for (const ending of ['-wal', '-shm', '-journal']) checkPrivateFile(`${path}${ending}`);
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: OTHERS_MS });
    const version = checkFile(database, path);
    database.exec('pragma journal_mode = wal; pragma synchronous = full');
    for (let next = version; next < MIGRATIONS.length; next++) migrate(database, next);
    return database;
  } catch (error) {
    database?.close();
    throw unusable(path, error);
  }
}

/** Opens the file only to read what stands in it, beside an agent that may be writing. @throws {AgentError} */
export const openStoreToRead = (path: string): DatabaseSync => openBeside(path, true);

/** The same to write, where there is a file. @throws {AgentError} */
export const openStoreToWrite = (path: string): DatabaseSync => openBeside(path, false);

function openBeside(path: string, readOnly: boolean): DatabaseSync {
  if (!existsSync(path)) throw new AgentError(`there is no ${path}: no agent has run on this folder`);
  checkPrivateFile(path);
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { readOnly, timeout: OTHERS_MS });
    if (checkFile(database, path) === MIGRATIONS.length) return database;
    throw new AgentError(`${path} was written by an older agent: start the agent once`);
  } catch (error) {
    database?.close();
    throw unusable(path, error);
  }
}

function checkFile(database: DatabaseSync, path: string): number {
  const version = Number(database.prepare('pragma user_version').get()?.user_version);
  if (version > MIGRATIONS.length) throw new AgentError(`${path} was written by a newer agent; nothing was changed`);
  const found = database.prepare('pragma quick_check(1)').get()?.quick_check;
  if (found !== 'ok') throw new AgentError(damaged(path, String(found)));
  return version;
}

const migrate = (database: DatabaseSync, version: number): void =>
  inTransaction(database, () => {
    database.exec(MIGRATIONS[version] as string);
    database.exec(`pragma user_version = ${version + 1}`);
  });

export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('begin immediate');
  try {
    const done = work();
    database.exec('commit');
    return done;
  } catch (error) {
    if (database.isTransaction) database.exec('rollback');
    throw error;
  }
}

/** Does a write that must not fail for want of room: the reserve is there for it. @throws {StoreFull} */
export function writeWith(reserve: Reserve, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isFull(error)) throw error;
    if (!reserve.giveUp()) throw new StoreFull('the disk of the store is full', { cause: error });
    writeWith(reserve, work);
  }
}

const SQLITE_FULL = 13;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
const codeOf = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : null;
const isFull = (error: unknown): boolean => codeOf(error) === SQLITE_FULL;

export const damaged = (path: string, what: string): string =>
  `${path} is damaged (${what}). Nothing was changed: move it aside to start anew, and keep it for what it still holds`;

function unusable(path: string, error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  const { message } = error as Error;
  const isDamaged = [SQLITE_CORRUPT, SQLITE_NOTADB].includes(codeOf(error) ?? 0);
  return new AgentError(isDamaged ? damaged(path, message) : `cannot use ${path}: ${message}`, undefined, {
    cause: error,
  });
}
