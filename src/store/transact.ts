import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from './schema.ts';

/**
 * A transaction that doesn't wait for its `begin`: on connections of `hot` statements go out before the answers to those
 * before them have come, in their order, and each reads what is there when it is its turn. One that fails makes those
 * behind it fail, and all of it is rolled back.
 */
export function transact<T>(db: Kysely<Database>, work: (trx: Transaction<Database>) => Promise<T>): Promise<T> {
  return db.connection().execute(async (connection) => {
    const begun = sql`begin`.execute(connection);
    try {
      const [result] = await Promise.all([work(connection as Transaction<Database>), begun]);
      await sql`commit`.execute(connection);
      return result;
    } catch (error) {
      // Where the connection is gone there is nothing to roll back.
      await sql`rollback`.execute(connection).catch(() => {});
      throw error;
    }
  });
}

/** Statements that don't need each other's answers, in this order. All have ended when it ends, also by an error. */
export async function inOrder<T extends readonly unknown[]>(
  ...statements: {
    [K in keyof T]: Promise<T[K]>;
  }
): Promise<T> {
  await Promise.allSettled(statements);
  return (await Promise.all(statements)) as unknown as T;
}
