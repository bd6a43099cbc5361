import { type Kysely, sql } from 'kysely';
import type { Database } from '../../src/store/schema.ts';

/** Whether a statement waits for a lock in this database now. */
export async function somebodyWaits(db: Kysely<Database>): Promise<boolean> {
  const { rows } = await sql`
    select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(db);
  return rows.length > 0;
}
