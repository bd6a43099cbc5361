import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

export type OldSnapshot = { pid: number; application: string; since: string; seconds: number };

/**
 * The transaction that began first of those that keep what was deleted from being cleaned up in this database; null if
 * none is open. Who may not see the sessions of others sees only its own.
 */
export async function oldestSnapshot(db: Kysely<Database>): Promise<OldSnapshot | null> {
  const { rows } = await sql<OldSnapshot>`
    select pid, application_name as application, xact_start as since,
      extract(epoch from clock_timestamp() - xact_start)::float8 as seconds
    from pg_stat_activity
    where (backend_xmin is not null or backend_xid is not null) and xact_start is not null
      and (datname = current_database() or datname is null) and backend_type <> 'autovacuum worker'
      and pid <> pg_backend_pid()
    order by xact_start limit 1`.execute(db);
  return rows[0] ?? null;
}
