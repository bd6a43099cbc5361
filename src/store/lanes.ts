import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

export type LaneKey = { requires: readonly string[]; repository: string | null; agentId: string | null };

/** The number of a lane, made when it is new. Lanes are few and never deleted, so this stands outside transactions. */
export async function laneOf(db: Kysely<Database>, key: LaneKey): Promise<number> {
  return (await findLane(db, key)) ?? (await insertLane(db, key)) ?? (await findLane(db, key)) ?? noLane();
}

async function findLane(db: Kysely<Database>, { requires, repository, agentId }: LaneKey): Promise<number | null> {
  const { rows } = await sql<{ id: number }>`
    select id from lanes
    where requires = ${requires}::text[] and repository is not distinct from ${repository}
      and agent_id is not distinct from ${agentId}`.execute(db);
  return rows[0]?.id ?? null;
}

/** Null when another made it meanwhile: a later statement finds that one. */
async function insertLane(db: Kysely<Database>, { requires, repository, agentId }: LaneKey): Promise<number | null> {
  const { rows } = await sql<{ id: number }>`
    insert into lanes (requires, repository, agent_id) values (${requires}::text[], ${repository}, ${agentId})
    on conflict do nothing returning id`.execute(db);
  return rows[0]?.id ?? null;
}

function noLane(): never {
  throw new Error('a lane was neither found nor made');
}

/** Remembers that a host can serve these lanes now: what phase 2 counts its seconds from. */
export async function markHostMatched(db: Kysely<Database>, hostLabels: readonly string[][]): Promise<void> {
  for (const labels of hostLabels) {
    await sql`
      update lanes set host_matched_at = clock_timestamp()
      where agent_id is null and requires <@ ${labels}::text[]
        and (host_matched_at is null or host_matched_at < clock_timestamp() - interval '1 second')`.execute(db);
  }
}
