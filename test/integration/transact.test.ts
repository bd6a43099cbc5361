import { Socket } from 'node:net';
import { sql } from 'kysely';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { isDatabaseAway } from '../../src/store/database-errors.ts';
import { createPool, openDatabase } from '../../src/store/pool.ts';
import { inOrder, transact } from '../../src/store/transact.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { recordStatements } from '../support/recorded-statements.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  await sql`create table written (n int)`.execute(database.db);
});
beforeEach(async () => {
  await sql`truncate written`.execute(database.db);
});

const write = (db: TestDatabase['db'], n: number) => sql`insert into written values (${n})`.execute(db);
const written = async () => (await sql<{ n: number }>`select n from written`.execute(database.db)).rows;

test('statements go out before the answers to those before them have come', async () => {
  const told: string[] = [];
  const { connectionString } = database;
  const { db, pool, close } = openDatabase({ connectionString, byKeys: true });
  recordStatements(pool, (line) => told.push(line));
  await transact(db, (trx) => inOrder(sql`select 1`.execute(trx), sql`select 2`.execute(trx)));
  expect(told.slice(0, 3)).toEqual(['begin is sent', 'select 1 is sent', 'select 2 is sent']);
  await close();
});

test('what is sent in one turn leaves in one piece, what comes later in another', async () => {
  let pieces = 0;
  class Counted extends Socket {
    override _write(...args: Parameters<Socket['_write']>) {
      pieces += 1;
      super._write(...args);
    }
    override _writev(...args: Parameters<NonNullable<Socket['_writev']>>) {
      pieces += 1;
      super._writev?.(...args);
    }
  }
  const pool = createPool({ connectionString: database.connectionString, byKeys: true, stream: () => new Counted() });
  const client = await pool.connect();
  pieces = 0;
  await Promise.all(['select 1', 'select 2', 'select 3'].map((text) => client.query(text, [])));
  expect(pieces).toBe(1);
  await client.query('select 4', []);
  expect(pieces).toBe(2);
  client.release();
  await pool.end();
});

test('the commit goes out right behind a statement that was announced as the last one', async () => {
  const told: string[] = [];
  const { connectionString } = database;
  const { db, pool, close } = openDatabase({ connectionString, byKeys: true });
  recordStatements(pool, (line) => told.push(line));
  await transact(db, async (trx, oneMore) => {
    oneMore();
    await sql`select 1`.execute(trx);
  });
  const sent = told.indexOf('select 1 is sent');
  expect(told.slice(sent, sent + 2)).toEqual(['select 1 is sent', 'commit is sent']);
  expect(told.filter((line) => line === 'commit is sent')).toHaveLength(1);
  await close();
});

test('nothing is done behind the statement that was announced as the last one', async () => {
  const more = transact(database.hot, async (trx, oneMore) => {
    oneMore();
    await write(trx, 1);
    await write(trx, 2);
  });
  await expect(more).rejects.toThrow('the transaction has ended');
  expect(await written()).toEqual([{ n: 1 }]);
});

test('a last statement that fails takes what was done before it with it, and its error is told', async () => {
  const failing = transact(database.hot, async (trx, oneMore) => {
    await write(trx, 1);
    oneMore();
    await sql`select 1 / 0`.execute(trx);
  });
  await expect(failing).rejects.toThrow('division by zero');
  expect(await written()).toEqual([]);
});

test('what comes after the end of a transaction that failed is not done', async () => {
  const late = Promise.withResolvers<void>();
  const failing = transact(database.hot, (trx) =>
    Promise.all([
      Promise.reject(new Error('no')),
      sql`select 1`
        .execute(trx)
        .then(() => write(trx, 1))
        .finally(late.resolve),
    ]),
  );
  await expect(failing).rejects.toThrow('no');
  await late.promise;
  expect(await written()).toEqual([]);
});

test('a transaction is not said to be done in which a statement failed that nobody asked about', async () => {
  const careless = transact(database.hot, async (trx) => {
    await write(trx, 1);
    await sql`select 1 / 0`.execute(trx).catch(() => {});
  });
  await expect(careless).rejects.toThrow('rolled back');
  expect(await written()).toEqual([]);
});

test('of statements that fail one after the other the error of the first is told', async () => {
  const slow = transact(database.hot, async (trx) => {
    await sql`set local statement_timeout = '20ms'`.execute(trx);
    await inOrder(
      sql`select 1`.execute(trx).then(() => sql`select 2`.execute(trx)),
      sql`select pg_sleep(60)`.execute(trx),
    );
  });
  await expect(slow).rejects.toSatisfy(isDatabaseAway);
});

test('a connection whose transaction failed serves the next one', async () => {
  for (let n = 0; n < 20; n++) {
    await expect(transact(database.hot, (trx) => sql`select 1 / 0`.execute(trx))).rejects.toThrow('division by zero');
    await transact(database.hot, (trx) => write(trx, n));
  }
  expect(await written()).toHaveLength(20);
});
