import { type Kysely, sql } from 'kysely';
import type { Database } from '../../src/store/schema.ts';

/** Whether a statement waits for a lock in this database now. */
export async function somebodyWaits(db: Kysely<Database>): Promise<boolean> {
  const { rows } = await sql`
    select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(db);
  return rows.length > 0;
}

/**
 * How often PostgreSQL had to end a transaction of this database because two waited for each other. Sessions tell what
 * they counted when they end, so ask once the pools are closed.
 */
export async function deadlocks(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ deadlocks: number }>`
    select deadlocks::int from pg_stat_database where datname = current_database()`.execute(db);
  return rows[0]?.deadlocks ?? 0;
}
