import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

/**
 * Writes down that an agent lives and how its machine does. An agent that says it takes nothing new is draining while
 * it says so; what a coordinator has set stays.
 */
export async function recordHeartbeat(
  db: Kysely<Database>,
  agentId: string,
  beat: { draining: string | null; metrics: Readonly<Record<string, unknown>> | null },
): Promise<{ draining: boolean }> {
  const { rows } = await sql<{ draining: boolean }>`
    update agents set online = true, last_seen_at = clock_timestamp(), says_draining = ${beat.draining},
      metrics = coalesce(${beat.metrics && JSON.stringify(beat.metrics)}::jsonb, metrics)
    where id = ${agentId} and deleted_at is null
    returning draining or says_draining is not null as draining`.execute(db);
  return { draining: rows[0]?.draining ?? true };
}
