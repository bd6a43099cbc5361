import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { checkDurability, createPool, DatabaseUnfitError, openDatabase } from '../../src/store/pool.ts';
import { createTestDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

const lost: string[] = [];
const log = {
  debug: () => {},
  info: () => {},
  warn: (_: Record<string, unknown>, message: string) => void lost.push(message),
  error: () => {},
};
const { db, pool, connectionString } = await createTestDatabase({ log });
const other = await createTestDatabase();

function withSetting(setting: string): string {
  return `${connectionString}${connectionString.includes('?') ? '&' : '?'}options=${encodeURIComponent(`-c ${setting}`)}`;
}

describe('a connection', () => {
  test('has limits on statements, locks and idle transactions, and says whose it is', async () => {
    const { rows } = await sql`
      select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
             current_setting('idle_in_transaction_session_timeout') as idle,
             current_setting('application_name') as name`.execute(db);
    expect(rows).toEqual([{ statement: '10s', lock: '5s', idle: '5s', name: 'taskejo' }]);
  });

  test('gives up a statement that takes too long', async () => {
    const hasty = createPool({ connectionString, statementTimeoutSeconds: 0.05 });
    await expect(hasty.query('select pg_sleep(60)')).rejects.toThrow('statement timeout');
    await hasty.end();
  });

  test('gives up waiting for a lock that nobody releases', async () => {
    await pool.query('create table locked (n int)');
    const hasty = createPool({ connectionString, lockTimeoutSeconds: 0.05 });
    const holder = await pool.connect();
    await holder.query('begin');
    await holder.query('lock table locked');
    await expect(hasty.query('select from locked')).rejects.toThrow('lock timeout');
    await holder.query('rollback');
    holder.release();
    await hasty.end();
  });

  test.each([
    ['idle in the pool', true],
    ['lent to a caller', false],
  ])('that the database ends while it is %s is logged once and replaced', async (_, idle) => {
    lost.length = 0;
    const client = await pool.connect();
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    if (idle) client.release();
    await other.pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
    await waitFor(() => lost.length > 0);
    if (!idle) client.release(true);
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    expect(lost).toEqual(['a database connection was lost']);
  });

  test('reads times as RFC 3339 in UTC with their microseconds, whatever the zone of the server', async () => {
    const text = "select '2026-11-21 15:04:05.120007+02'::timestamptz as a, '2026-11-21 15:04:05+00'::timestamptz as b";
    const elsewhere = createPool({ connectionString: withSetting('timezone=Asia/Kathmandu') });
    for (const one of [pool, elsewhere]) {
      const { rows } = await one.query(text);
      expect(rows).toEqual([{ a: '2026-11-21T13:04:05.120007Z', b: '2026-11-21T15:04:05.000000Z' }]);
    }
    await elsewhere.end();
  });

  test('reads int8 as a number, and refuses one that is none', async () => {
    expect((await pool.query('select count(*) as n, 9007199254740991::int8 as largest')).rows).toEqual([
      { n: 1, largest: Number.MAX_SAFE_INTEGER },
    ]);
    await expect(pool.query('select 9007199254740993::int8 as n')).rejects.toThrow('too large for a number');
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  });
});

describe('a database', () => {
  test('that is durable is accepted', async () => {
    await expect(checkDurability(db)).resolves.toBeUndefined();
  });

  test('that may forget what it acknowledged is refused', async () => {
    const loose = openDatabase({ connectionString: withSetting('synchronous_commit=off') });
    const refusal = checkDurability(loose.db);
    await expect(refusal).rejects.toThrow(DatabaseUnfitError);
    await expect(refusal).rejects.toThrow('has synchronous_commit off');
    await loose.close();
  });
});
