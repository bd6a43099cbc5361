import { type Kysely, sql } from 'kysely';
import { onlyRow } from './answers.ts';
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

const LANES_LOCK = 0x6c616e65; // "lane"

/**
 * Null when another made it meanwhile: a later statement finds that one. One lane is made at a time, so that lanes
 * appear in the order of their numbers, and who knows the highest knows them all.
 */
async function insertLane(db: Kysely<Database>, { requires, repository, agentId }: LaneKey): Promise<number | null> {
  const { rows } = await sql<{ id: number }>`
    with alone as materialized (select pg_advisory_xact_lock(${LANES_LOCK}))
    insert into lanes (requires, repository, agent_id)
    select ${requires}::text[], ${repository}::text, ${agentId}::text from alone
    on conflict do nothing returning id`.execute(db);
  return rows[0]?.id ?? null;
}

/** The highest number of a lane; 0 where there is none. */
export async function newestLane(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ newest: number }>`select coalesce(max(id), 0) as newest from lanes`.execute(db);
  return onlyRow(rows).newest;
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

/** The labels of each host that is online and not cordoned; a busy one counts. */
export async function hostLabelSets(db: Kysely<Database>): Promise<string[][]> {
  const rows = await db
    .selectFrom('agents')
    .select('labels')
    .where('execution_mode', '=', 'ssh_cli')
    .where('deleted_at', 'is', null)
    .where('online', '=', true)
    .where('cordoned', '=', false)
    .execute();
  return rows.map((row) => row.labels);
}

/**
 * Ready undecided tasks for whose lane no host was online for so long, and which a pass before had seen; those that have
 * been ready longest first.
 */
export async function tasksWithoutHost(
  db: Kysely<Database>,
  seconds: number,
  seenBefore: string,
  limit: number,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select t.id from lanes l cross join lateral (
      select id, ready_at from tasks
      where lane = l.id and status = 'pending' and ready and execution_mode = 'undecided'
        and ready_at <= least(now() - make_interval(secs => ${seconds}), ${seenBefore}::timestamptz)
      order by ready_at limit ${limit}) t
    where l.agent_id is null
      and (l.host_matched_at is null or l.host_matched_at <= now() - make_interval(secs => ${seconds}))
    order by t.ready_at limit ${limit}`.execute(db);
  return rows.map((row) => row.id);
}

/** Tasks left to the agents whose labels a host has that is online now. */
export async function tasksForHostsAgain(
  db: Kysely<Database>,
  hostLabels: readonly string[][],
  limit: number,
): Promise<string[]> {
  if (hostLabels.length === 0) return [];
  const anyHost = sql.join(
    hostLabels.map((labels) => sql`l.requires <@ ${labels}::text[]`),
    sql` or `,
  );
  const { rows } = await sql<{ id: string }>`
    select t.id from lanes l cross join lateral (
      select id, rank from tasks
      where lane = l.id and status = 'pending' and execution_mode = 'http_pull' and requested_mode = 'undecided'
      order by rank limit ${limit}) t
    where l.agent_id is null and (${anyHost})
    order by t.rank limit ${limit}`.execute(db);
  return rows.map((row) => row.id);
}
