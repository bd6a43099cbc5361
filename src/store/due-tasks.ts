import { sql, type Transaction } from 'kysely';
import { otherGatesOpen } from './gates.ts';
import type { Database } from './schema.ts';

const open = sql<boolean>`unmet_dependencies = 0 and (not requires_approval or approved_at is not null)`;

export type Due = { ready: number /** Still to take their keys, which is all they wait for. */; needKey: string[] };

/**
 * Opens the gate of time for tasks whose moment has come, but for those that somebody changes right now, and makes
 * ready those that wait for nothing else. None is due any more after this, so one that waits on keeps no other from
 * being found. The rows stay locked.
 */
export async function openDueTasks(trx: Transaction<Database>, limit: number): Promise<Due> {
  const { rows } = await sql<{ id: string; ready: boolean; needs_key: boolean }>`
    update tasks set due_at = null, ready = concurrency_key is null and ${open},
      ready_at = case when concurrency_key is null and ${open} then clock_timestamp() end
    where id = any(array(
      select id from tasks where status = 'pending' and not ready and due_at <= clock_timestamp()
      order by due_at limit ${sql.lit(limit)} for no key update skip locked))
    returning id, ready, concurrency_key is not null and ${otherGatesOpen} as needs_key`.execute(trx);
  return {
    ready: rows.filter((row) => row.ready).length,
    needKey: rows.filter((row) => row.needs_key).map(({ id }) => id),
  };
}
