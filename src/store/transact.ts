import { CompiledQuery, type DatabaseConnection, Kysely, PostgresDialect, type Transaction } from 'kysely';
import { isFailedSince } from './database-errors.ts';
import type { Database } from './schema.ts';

/**
 * A transaction that doesn't wait for its `begin`: on connections of `hot` statements go out before the answers to those
 * before them have come, in their order, and each reads what is there when it is its turn. One that fails makes those
 * behind it fail, and all of it is rolled back. Whoever knows that one statement is left says so by `oneMore`, and the
 * commit goes out right behind it.
 */
export function transact<T>(
  db: Kysely<Database>,
  work: (trx: Transaction<Database>, oneMore: () => void) => Promise<T>,
): Promise<T> {
  return db.getExecutor().provideConnection(async (connection) => {
    const tell = (statement: string) => connection.executeQuery<{ command: string }>(CompiledQuery.raw(statement));
    let committed: ReturnType<typeof tell> | null = null;
    const commit = () => {
      committed ??= tell('commit');
      return committed;
    };
    // Whoever waits for the last statement hears of its fault; what becomes of the commit is looked at below.
    const { trx, oneMore, close } = withoutWaiting(db, connection, () => void commit().catch(() => {}));
    const begun = tell('begin');
    const working = work(trx, oneMore);
    await Promise.allSettled([begun, working]);
    close();
    try {
      await begun;
      const result = await working;
      const { rows } = await commit();
      // What PostgreSQL answers where something has failed, which isn't an error to it.
      if (rows[0]?.command === 'ROLLBACK') throw new Error('a statement had failed; the transaction was rolled back');
      return result;
    } catch (error) {
      // Where the connection is gone there is nothing to roll back.
      await tell('rollback').catch(() => {});
      throw error;
    }
  });
}

const nowhere = new PostgresDialect({ pool: () => Promise.reject(new Error('this connects to nothing')) });
const NOWHERE = { config: { dialect: nowhere }, dialect: nowhere, driver: nowhere.createDriver() };

/**
 * Kysely itself lends a connection to one statement at a time, so that each would wait for the one before it. Once
 * closed it takes no more: what came after the end of the transaction would be done for good. The statement after
 * `oneMore` is the last one, and `afterLast` is called as soon as it is sent.
 */
function withoutWaiting(
  db: Kysely<Database>,
  connection: DatabaseConnection,
  afterLast: () => void,
): { trx: Transaction<Database>; oneMore(): void; close(): void } {
  let closed = false;
  let last = false;
  const executor = db.getExecutor().withConnectionProvider({
    async provideConnection(consumer) {
      if (closed) throw new Error('the transaction has ended');
      const used = consumer(connection);
      if (last) {
        closed = true;
        afterLast();
      }
      return used;
    },
  });
  return {
    trx: new Kysely<Database>({ ...NOWHERE, executor }) as Transaction<Database>,
    oneMore: () => {
      last = true;
    },
    close: () => {
      closed = true;
    },
  };
}

/**
 * Statements that don't need each other's answers, in this order. All have ended when it ends, also by an error: the
 * first one's, and not what those behind it say since.
 */
export async function inOrder<T extends readonly unknown[]>(
  ...statements: {
    [K in keyof T]: Promise<T[K]>;
  }
): Promise<T> {
  const ended = await Promise.allSettled(statements);
  const errors = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  if (errors.length > 0) throw errors.find((error) => !isFailedSince(error)) ?? errors[0];
  return (await Promise.all(statements)) as unknown as T;
}
