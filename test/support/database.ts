import { inject } from 'vitest';
import type { StoreLog } from '../../src/store/log.ts';
import { type OpenDatabase, openDatabase } from '../../src/store/pool.ts';
import { openDatabases } from './open-databases.ts';
import { cloneDatabase } from './test-server.ts';

export type TestDatabase = OpenDatabase & { connectionString: string; hot: OpenDatabase['db'] };

export type TestDatabaseOptions = {
  /** Connections of its pool; 10 unless said. */
  max?: number;
  /** Without the program's tables. */
  empty?: boolean;
  log?: StoreLog;
};

/** A database of its own for a test or a file, with all migrations and no rows. Closed by itself after the file. */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { max = 10, empty = false, log } = options;
  const connectionString = await cloneDatabase(inject('testServer'), empty);
  const opened = openDatabase({ connectionString, max }, log);
  const hot = openDatabase({ connectionString, max: 5, byKeys: true }, log);
  const database = {
    ...opened,
    connectionString,
    hot: hot.db,
    async close() {
      if (!openDatabases.delete(database)) return;
      await Promise.all([opened.close(), hot.close()]);
    },
  };
  openDatabases.add(database);
  return database;
}
