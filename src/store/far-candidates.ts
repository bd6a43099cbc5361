import { sql, type Transaction } from 'kysely';
import { type Asking, type Candidate, keptFrom, lockAnyOf, mayBeHad } from './claims.ts';
import type { Database, TaskRow } from './schema.ts';

type Trx = Transaction<Database>;

/** Where a task stands in the order. */
export type Spot = Pick<TaskRow, 'rank' | 'id'>;

/** What decides who may run a task. */
export type FarCandidate = Pick<
  Candidate,
  'rank' | 'id' | 'requires' | 'repository' | 'named_agent_id' | 'command' | 'limits' | 'sandbox' | 'avoided'
>;

/** What stands behind this spot in these lanes, in order and not locked: most of it may be for somebody else. */
export async function candidatesBehind(
  trx: Trx,
  { mode, agentIds, lanes, limit }: Omit<Asking, 'fronts' | 'heldByOthers'>,
  { rank, id }: Spot,
): Promise<FarCandidate[]> {
  const { rows } = await sql<FarCandidate>`
    select t.*
    from unnest(${lanes}::int[]) l(id)
    cross join lateral (
      select rank, id, requires, repository, named_agent_id, command, limits, sandbox,
        case when attempts = 0 then '{}' else ${keptFrom} end as avoided
      from tasks
      where lane = l.id and (rank, id) > (${rank}::bigint, ${id}::uuid) and ${mayBeHad(mode, agentIds)}
      order by rank, id limit ${limit}) t
    order by t.rank, t.id limit ${limit}`.execute(trx);
  return rows;
}

/** Locks those of these tasks that are still to be had and that nobody else holds. */
export const lockThese = (trx: Trx, { mode }: Pick<Asking, 'mode'>, ids: readonly string[]): Promise<Candidate[]> =>
  lockAnyOf(trx, mode, sql`${ids}::uuid[]`, ids.length);
