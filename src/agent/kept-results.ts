import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { forgetEmptied } from './store.ts';
import { inTransaction, openStoreToRead, openStoreToWrite } from './store-file.ts';
import { type KeptResult, toKeptResult } from './store-rows.ts';

/*
 * The results that the server did not take. They are read and deleted in the file itself, so that a person can do both
 * while no agent runs; one that is at work on it is not disturbed.
 */

const fileOf = (stateDir: string): string => join(stateDir, 'agent.db');

/** Oldest first. @throws {AgentError} */
export function readKeptResults(stateDir: string): KeptResult[] {
  const path = fileOf(stateDir);
  const rows = using(openStoreToRead(path), (database) =>
    database
      .prepare(
        `select attempt_id, task_id, number, ended_at, result from attempts
         where left_as = 'fenced' and result is not null order by ended_n`,
      )
      .all(),
  );
  return rows.map((row) => toKeptResult(row, path));
}

/** Answers which of the attempts had one. @throws {AgentError} */
export function deleteKeptResults(stateDir: string, attemptIds: readonly string[]): string[] {
  return using(openStoreToWrite(fileOf(stateDir)), (database) => {
    const drop = database.prepare(
      "update attempts set result = null where left_as = 'fenced' and result is not null and attempt_id = ?",
    );
    const deleted = () => attemptIds.filter((attemptId) => Number(drop.run(attemptId).changes) > 0);
    return inTransaction(database, () => {
      const found = deleted();
      forgetEmptied(database);
      return found;
    });
  });
}

function using<T>(database: DatabaseSync, work: (database: DatabaseSync) => T): T {
  try {
    return work(database);
  } finally {
    database.close();
  }
}
