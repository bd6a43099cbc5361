import { type Kysely, sql } from 'kysely';
import type { AgentState } from '../domain/agent.ts';
import type { Database } from './schema.ts';

/** How many agents there are of each state. */
export async function countAgents(db: Kysely<Database>): Promise<Map<AgentState, number>> {
  const { rows } = await sql<Record<AgentState, number>>`
    select count(*) filter (where cordoned)::int as cordoned,
      count(*) filter (where online and not cordoned)::int as online,
      count(*) filter (where not online and not cordoned)::int as offline
    from agents where deleted_at is null`.execute(db);
  const { online = 0, offline = 0, cordoned = 0 } = rows[0] ?? {};
  return new Map(Object.entries({ online, offline, cordoned }) as [AgentState, number][]);
}
