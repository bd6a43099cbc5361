import { type Kysely, sql } from 'kysely';
import type { Database } from '../../src/store/schema.ts';
import { waitFor } from './wait-for.ts';

/**
 * Waits until every transaction is over that was open anywhere on the database's server when it was asked: those of
 * other tests hold back the events of all tasks, and what is counted by them.
 */
export async function openTransactionsEnd(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ own: string }>`select pg_current_xact_id() as own`.execute(db);
  const own = rows[0]?.own ?? '';
  await waitFor(async () => {
    const { rows } = await sql<{ past: boolean }>`
      select pg_snapshot_xmin(pg_current_snapshot()) > ${own}::xid8 as past`.execute(db);
    return rows[0]?.past;
  });
}
