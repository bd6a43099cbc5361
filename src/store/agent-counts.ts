import { type Kysely, sql } from 'kysely';
import { type AgentState, type MachineFigures, PARKING_REASONS } from '../domain/agent.ts';
import type { Database } from './schema.ts';

/** How many agents there are of each state. */
export async function countAgents(db: Kysely<Database>): Promise<Map<AgentState, number>> {
  const parked = sql`(not online and coalesce(state_reason ->> 'code', '') = any(${PARKING_REASONS}::text[]))`;
  const { rows } = await sql<Record<AgentState, number>>`
    select count(*) filter (where cordoned or ${parked})::int as cordoned,
      count(*) filter (where online and not cordoned)::int as online,
      count(*) filter (where not online and not cordoned and not ${parked})::int as offline
    from agents where deleted_at is null`.execute(db);
  const { online = 0, offline = 0, cordoned = 0 } = rows[0] ?? {};
  return new Map(Object.entries({ online, offline, cordoned }) as [AgentState, number][]);
}

/** How many hosts aren't used for each reason. */
export async function countHostsOffline(db: Kysely<Database>): Promise<Map<string, number>> {
  const { rows } = await sql<{ code: string; count: number }>`
    select state_reason ->> 'code' as code, count(*)::int as count
    from agents
    where deleted_at is null and execution_mode = 'ssh_cli' and not online and state_reason is not null
    group by 1`.execute(db);
  return new Map(rows.map(({ code, count }) => [code, count]));
}

const MOST_MACHINES = 1_000;

/** What the agents that are online said last of their machines, by name. */
export async function machineFigures(db: Kysely<Database>): Promise<MachineFigures[]> {
  const { rows } = await sql<MachineFigures>`
    select name, metrics from agents
    where deleted_at is null and online and metrics is not null
    order by name limit ${MOST_MACHINES}`.execute(db);
  return rows;
}
