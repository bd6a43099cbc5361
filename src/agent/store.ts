import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Result } from '../domain/attempt.ts';
import type { ProcessIdentity } from '../domain/process.ts';
import type { MachineStore } from '../executor/run-attempt.ts';
import { AgentError } from './exit.ts';
import { createReserve, type Reserve } from './reserve.ts';
import { inTransaction, openStoreFile, StoreFull, writeWith } from './store-file.ts';
import type { OpenAttempt, TakenTask } from './store-rows.ts';

export type { OpenAttempt, TakenTask } from './store-rows.ts';

/** How an attempt left: `reported`, the server has its result; `fenced`, it was not ours any more. */
export type Leaving = 'reported' | 'fenced';

/**
 * What the agent must not forget, each write on the disk when its call returns: the attempts that it has taken and not
 * reported, the request for work that is under way, results that nobody wanted, and whose files are still there.
 */
export type AgentStore = {
  /** Names this store for good. */
  readonly id: string;
  /** This is the how-manieth start on it. */
  readonly startNumber: number;
  /** The highest generation of the server's database that it was ever told; 0 at first. */
  readonly generation: number;
  seeGeneration(generation: number): void;
  /** A person wants nothing new to be taken, until he says otherwise. */
  drained: boolean;
  /** The id of the request under way, so that a lost answer can be asked for again; a new one where there is none. */
  requestId(): string;
  isRequestUnderWay(): boolean;
  /** The request was answered: what it brought is ours, and the next one has another id. @throws {StoreFull} */
  take(tasks: readonly TakenTask[]): void;
  /** In the order in which they ended; then those that have not. */
  open(): Promise<OpenAttempt[]>;
  setMachine(attemptId: string, machine: MachineStore): void;
  setProcess(attemptId: string, process: ProcessIdentity): void;
  /** The first that is said of an attempt stands. */
  setResult(attemptId: string, result: Result): void;
  leave(attemptId: string, how: Leaving): void;
  /** Attempts that left so long ago that their files may go. */
  leftBefore(seconds: number): string[];
  /** Its files are gone; a result that nobody wanted stays. */
  forget(attemptId: string): void;
  /** Deletes the results that nobody wanted for so long. */
  dropKept(seconds: number): void;
  close(): void;
};

/** Counts a start. @throws {AgentError} when the file can't be used */
export function openStore(stateDir: string, reserve: Reserve = createReserve(stateDir, [])): AgentStore {
  const path = join(stateDir, 'agent.db');
  const database = openStoreFile(path);
  const write: Write = (work) => writeWith(reserve, () => inTransaction(database, work));
  try {
    const parts = { ...requests(database, write), ...attempts(database, write, path) };
    return Object.assign(about(database, write), parts, { close: () => database.close() });
  } catch (error) {
    database.close();
    throw error instanceof StoreFull ? new AgentError(`cannot use ${path}: ${error.message}`) : error;
  }
}

type Write = (work: () => void) => void;

function about(
  database: DatabaseSync,
  write: Write,
): Pick<AgentStore, 'id' | 'startNumber' | 'generation' | 'drained' | 'seeGeneration'> {
  write(() => database.exec('update about set starts = starts + 1'));
  const row = database.prepare('select store_id, starts, generation, drained from about').get() ?? {};
  const setGeneration = database.prepare('update about set generation = max(generation, ?)');
  const setDrained = database.prepare('update about set drained = ?');
  let generation = Number(row.generation);
  let drained = row.drained === 1;
  return {
    id: String(row.store_id),
    startNumber: Number(row.starts),
    get generation() {
      return generation;
    },
    seeGeneration(seen) {
      if (seen <= generation) return;
      try {
        write(() => setGeneration.run(seen));
        generation = seen;
      } catch (error) {
        if (!(error instanceof StoreFull)) throw error; // it is told again
      }
    },
    get drained() {
      return drained;
    },
    set drained(is) {
      write(() => setDrained.run(is ? 1 : 0));
      drained = is;
    },
  };
}

function requests(database: DatabaseSync, write: Write): Pick<AgentStore, 'requestId' | 'isRequestUnderWay' | 'take'> {
  const find = database.prepare('select id from request');
  const save = database.prepare(
    'insert into request (only_row, id) values (1, ?) on conflict do update set id = excluded.id',
  );
  const add = database.prepare(
    'insert into attempts (attempt_id, task_id, number, task) values (?, ?, ?, ?) on conflict do nothing',
  );
  let underWay = find.get() !== undefined;
  return {
    requestId() {
      underWay = true;
      const found = find.get()?.id;
      if (typeof found === 'string') return found;
      const id = crypto.randomUUID();
      write(() => save.run(id));
      return id;
    },
    isRequestUnderWay: () => underWay,
    take(tasks) {
      write(() => {
        for (const task of tasks) add.run(task.attemptId, task.taskId, task.number, JSON.stringify(task));
        save.run(crypto.randomUUID()); // with what was taken, in one write to the disk
      });
      underWay = false;
    },
  };
}

type AttemptParts = Pick<
  AgentStore,
  'open' | 'setMachine' | 'setProcess' | 'setResult' | 'leave' | 'leftBefore' | 'forget' | 'dropKept'
>;

function attempts(database: DatabaseSync, write: Write, path: string): AttemptParts {
  const open = database.prepare(
    `select attempt_id, task, machine, process, result from attempts
     where left_as is null order by ended_n is null, ended_n, attempt_id`,
  );
  const setMachine = database.prepare('update attempts set machine = ? where attempt_id = ?');
  const setProcess = database.prepare('update attempts set process = ? where attempt_id = ?');
  const setResult = database.prepare(
    `update attempts set result = ?, ended_at = strftime('%Y-%m-%dT%H:%M:%fZ'),
       ended_n = (select coalesce(max(ended_n), 0) + 1 from attempts)
     where attempt_id = ? and result is null`,
  );
  // What a task was given may be secret: it goes as soon as it isn't needed.
  const leave = database.prepare(
    'update attempts set left_as = ?, left_at = unixepoch(), task = null where attempt_id = ?',
  );
  const leftBefore = database.prepare(
    'select attempt_id from attempts where not cleaned and left_at <= unixepoch() - ? order by left_at',
  );
  const cleaned = database.prepare('update attempts set cleaned = 1 where attempt_id = ?');
  const forget = database.prepare(
    "delete from attempts where cleaned and (left_as = 'reported' or result is null) and attempt_id = ?",
  );
  const dropKept = database.prepare(
    "update attempts set result = null where left_as = 'fenced' and left_at <= unixepoch() - ?",
  );
  return {
    async open() {
      const rows = open.all();
      if (rows.length === 0) return []; // and nothing is loaded to read them
      const { toOpenAttempt } = await import('./store-rows.ts');
      return rows.map((row) => toOpenAttempt(row, path));
    },
    setMachine: (attemptId, machine) => write(() => setMachine.run(JSON.stringify(machine), attemptId)),
    setProcess: (attemptId, process) => write(() => setProcess.run(JSON.stringify(process), attemptId)),
    setResult: (attemptId, result) => write(() => setResult.run(JSON.stringify(result), attemptId)),
    leave: (attemptId, how) => write(() => leave.run(how, attemptId)),
    leftBefore: (seconds) => leftBefore.all(seconds).map((row) => String(row.attempt_id)),
    forget: (attemptId) =>
      write(() => {
        cleaned.run(attemptId);
        forget.run(attemptId);
      }),
    dropKept: (seconds) =>
      write(() => {
        dropKept.run(seconds);
        forgetEmptied(database);
      }),
  };
}

/** Of an attempt whose files are gone nothing is left to know; of another one the row goes with them. */
export function forgetEmptied(database: DatabaseSync): void {
  database.exec("delete from attempts where cleaned and left_as = 'fenced' and result is null");
}
