import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { z } from 'zod';
import type { Result } from '../domain/attempt.ts';
import type { ProcessIdentity } from '../domain/process.ts';
import { NO_LIMITS, SANDBOXES } from '../domain/task.ts';
import type { MachineStore } from '../executor/run-attempt.ts';
import { AgentError } from './exit.ts';
import { ensurePrivateFile } from './private-files.ts';

const amount = z.number().nullable();
const limits = z.object({
  cpuPercent: amount,
  memoryBytes: amount,
  processes: amount,
  fileSizeBytes: amount,
  costUsd: amount,
});

/** What is needed to run an attempt, as it was taken from the server. */
const takenTask = z.object({
  attemptId: z.string(),
  taskId: z.string(),
  number: z.number(),
  command: z.array(z.string()),
  input: z.string(),
  inputBase64: z.string().nullable().default(null),
  /** Without the task's own part: its secrets come with each start and are kept nowhere. */
  environment: z.record(z.string(), z.string()),
  limits: limits.default(NO_LIMITS),
  sandbox: z.enum(SANDBOXES).default('none'),
  timeoutSeconds: z.number(),
  renewSeconds: z.number(),
});
export type TakenTask = z.infer<typeof takenTask>;

const machineStore = z.object({ storeId: z.string(), bootId: z.string() }).nullable();
const processIdentity = z.object({ pid: z.number(), startedAt: z.string(), bootId: z.string() }).nullable();

/** An attempt that the server has no result of yet, and how far it had come when that was last written. */
export type OpenAttempt = { task: TakenTask; machine: MachineStore | null; process: ProcessIdentity | null };

/** How an attempt left: `reported`, the server has its result; `fenced`, it was not ours any more. */
export type Leaving = 'reported' | 'fenced';

/**
 * What the agent must not forget, each write on the disk when its call returns: the attempts that it has taken and not
 * reported, the request for work that is under way, results that nobody wanted, and whose files are still there.
 */
export type AgentStore = {
  /** The id of the request under way, so that a lost answer can be asked for again; a new one where there is none. */
  requestId(): string;
  /** The request was answered: what it brought is ours, and the next one has another id. */
  take(tasks: readonly TakenTask[]): void;
  open(): OpenAttempt[];
  setMachine(attemptId: string, machine: MachineStore): void;
  setProcess(attemptId: string, process: ProcessIdentity): void;
  setResult(attemptId: string, result: Result): void;
  leave(attemptId: string, how: Leaving): void;
  /** Attempts that left so long ago that their files may go. */
  leftBefore(seconds: number): string[];
  /** Its files are gone; a result that nobody wanted stays. */
  forget(attemptId: string): void;
  close(): void;
};

const VERSION = 1;
const SCHEMA = `
  create table attempts (
    attempt_id text primary key,
    task text,
    machine text,
    process text,
    result text,
    left_as text check (left_as in ('reported', 'fenced')),
    left_at integer,
    cleaned integer not null default 0
  ) strict, without rowid;
  create table request (only_row integer primary key check (only_row = 1), id text not null) strict;
  pragma user_version = ${VERSION};`;

/** @throws {AgentError} when the file can't be used */
export function openStore(stateDir: string): AgentStore {
  const path = join(stateDir, 'agent.db');
  ensurePrivateFile(path);
  const database = openDatabase(path);
  return {
    ...requests(database),
    ...attempts(database),
    close: () => database.close(),
  };
}

function openDatabase(path: string): DatabaseSync {
  try {
    const database = new DatabaseSync(path);
    database.exec('pragma journal_mode = wal; pragma synchronous = full');
    const version = Number(database.prepare('pragma user_version').get()?.user_version ?? 0);
    if (version > VERSION) throw new AgentError(`${path} was written by a newer agent`);
    if (version === 0) inTransaction(database, () => database.exec(SCHEMA));
    return database;
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw new AgentError(`cannot use ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('begin immediate');
  try {
    work();
    database.exec('commit');
  } catch (error) {
    database.exec('rollback');
    throw error;
  }
}

function requests(database: DatabaseSync): Pick<AgentStore, 'requestId' | 'take'> {
  const find = database.prepare('select id from request');
  const begin = database.prepare('insert into request (only_row, id) values (1, ?)');
  const end = database.prepare('delete from request');
  const add = database.prepare('insert into attempts (attempt_id, task) values (?, ?) on conflict do nothing');
  return {
    requestId() {
      const found = find.get()?.id;
      if (typeof found === 'string') return found;
      const id = crypto.randomUUID();
      begin.run(id);
      return id;
    },
    take(tasks) {
      inTransaction(database, () => {
        for (const task of tasks) add.run(task.attemptId, JSON.stringify(task));
        end.run();
      });
    },
  };
}

function attempts(database: DatabaseSync): Omit<AgentStore, 'requestId' | 'take' | 'close'> {
  const open = database.prepare(
    'select task, machine, process from attempts where left_as is null order by attempt_id',
  );
  const setMachine = database.prepare('update attempts set machine = ? where attempt_id = ?');
  const setProcess = database.prepare('update attempts set process = ? where attempt_id = ?');
  const setResult = database.prepare('update attempts set result = ? where attempt_id = ?');
  // What a task was given may be secret: it goes as soon as it isn't needed.
  const leave = database.prepare(
    'update attempts set left_as = ?, left_at = unixepoch(), task = null where attempt_id = ?',
  );
  const leftBefore = database.prepare(
    'select attempt_id from attempts where not cleaned and left_at <= unixepoch() - ? order by left_at limit 100',
  );
  const cleaned = database.prepare('update attempts set cleaned = 1 where attempt_id = ?');
  const forget = database.prepare(
    "delete from attempts where cleaned and (left_as = 'reported' or result is null) and attempt_id = ?",
  );
  return {
    open: () => open.all().map(toOpenAttempt),
    setMachine: (attemptId, machine) => void setMachine.run(JSON.stringify(machine), attemptId),
    setProcess: (attemptId, process) => void setProcess.run(JSON.stringify(process), attemptId),
    setResult: (attemptId, result) => void setResult.run(JSON.stringify(result), attemptId),
    leave: (attemptId, how) => void leave.run(how, attemptId),
    leftBefore: (seconds) => leftBefore.all(seconds).map((row) => String(row.attempt_id)),
    forget(attemptId) {
      inTransaction(database, () => {
        cleaned.run(attemptId);
        forget.run(attemptId);
      });
    },
  };
}

function toOpenAttempt(row: Record<string, SQLOutputValue>): OpenAttempt {
  return {
    task: takenTask.parse(parse(row.task)),
    machine: machineStore.parse(parse(row.machine)),
    process: processIdentity.parse(parse(row.process)),
  };
}

const parse = (value: SQLOutputValue | undefined): unknown => (typeof value === 'string' ? JSON.parse(value) : null);
