import { sql, type Transaction } from 'kysely';
import { metAndApproved, otherGatesOpen } from './gates.ts';
import type { Database } from './schema.ts';

const becomesReady = sql<boolean>`concurrency_key is null and ${metAndApproved}`;

export type Due = {
  found: number;
  ready: number;
  /** Still to take their keys, which is all they wait for. */
  needKey: string[];
};

/**
 * Opens the gate of time for tasks whose moment has come, but for those that somebody changes right now, and makes
 * ready those that wait for nothing else. None is due any more after this, so one that waits on keeps no other from
 * being found. The rows stay locked. (No clock that moves within the statement: an index is read up to a moment.)
 */
export async function openDueTasks(trx: Transaction<Database>, limit: number): Promise<Due> {
  const { rows } = await sql<{ id: string; ready: boolean; needs_key: boolean }>`
    update tasks set due_at = null, ready = ${becomesReady},
      ready_at = case when ${becomesReady} then clock_timestamp() end
    where id = any(array(
      select id from tasks
      where due_at <= statement_timestamp() and finished_at is null and coalesce(status = 'pending' and not ready, false)
      order by due_at limit ${sql.lit(limit)} for no key update skip locked))
    returning id, ready, concurrency_key is not null and ${otherGatesOpen} as needs_key`.execute(trx);
  return {
    found: rows.length,
    ready: rows.filter((row) => row.ready).length,
    needKey: rows.filter((row) => row.needs_key).map(({ id }) => id),
  };
}
