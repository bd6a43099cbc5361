import { sql, type Transaction } from 'kysely';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

/*
 * The attempts that take the places of an agent are those that are open, and those that its machine may still run: they
 * aren't settled. All that an agent ever ran stays in the index of these until vacuum takes it out, so they are counted
 * from a number on below which all are settled: see docs/adr/0019.
 */

/** Of an attempt beside the row of an agent, by what they are called: it takes a place of that. */
export const takesPlaceOf = (attempt: string, agent: string) => sql<boolean>`(
  ${sql.ref(`${attempt}.agent_id`)} = ${sql.ref(`${agent}.id`)} and not ${sql.ref(`${attempt}.settled`)}
  and ${sql.ref(`${attempt}.sequence`)} >= ${sql.ref(`${agent}.counted_from`)})`;
export const takesPlace = takesPlaceOf('attempts', 'agents');

/** How many places of the agent in the row at hand are taken. */
export const placesTaken = sql<number>`(select count(*)::int from attempts where ${takesPlace})`;

/** Places taken by agent. And the newest lane there is, so that none is overlooked. */
export async function takenPlaces(
  trx: Trx,
  agentIds: readonly string[],
): Promise<{ taken: Map<string, number>; newestLane: number }> {
  const { rows } = await sql<{ agent_id: string; taken: number; newest: number }>`
    select id as agent_id, ${placesTaken} as taken, (select coalesce(max(id), 0) from lanes) as newest
    from agents where id = any(${agentIds}::text[])`.execute(trx);
  return { taken: new Map(rows.map((row) => [row.agent_id, row.taken])), newestLane: rows[0]?.newest ?? 0 };
}

/** Of the claims for an agent, so many count its places from another number on afterwards. */
const FROM_HERE = 1 / 128;

/** Does {@link countFromHere} now and then. */
export async function countFromHereAtTimes(trx: Trx, agentIds: readonly string[], random: () => number): Promise<void> {
  if (random() < FROM_HERE) await countFromHere(trx, agentIds);
}

/**
 * From now on the places of these agents are counted from their first unsettled attempt on, or from the next one. Their
 * rows are locked: nobody gives them anything meanwhile, and what they are given later gets a higher number. (Who may use
 * a sequence may call this function, but not select from it.)
 */
export async function countFromHere(trx: Trx, agentIds: readonly string[]): Promise<void> {
  await sql`
    update agents set counted_from = coalesce(
      (select min(attempts.sequence) from attempts where ${takesPlace}),
      pg_sequence_last_value('attempts_sequence_seq'::regclass), 0)
    where id = any(${agentIds}::text[])`.execute(trx);
}
