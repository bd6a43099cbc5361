import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

/*
 * The ageing that ranks are computed with stands in the database, and is read by the very statement that writes a rank:
 * see docs/adr/0009. domain/rank.ts says the same in the program's words.
 */

/**
 * Rank of the row at hand, by when it was created, its `run_after` and `priority`; `own` counts while no ageing is stored.
 */
export const storedRank = (own: number | null = null, created = sql`created_at`) => sql<number>`(
  extract(epoch from greatest(${created}, run_after)) * 1000000
  - (priority * coalesce((select ageing_seconds_per_level from installation), ${own}::float8) * 1000000)::bigint)::bigint`;

/** Computes the rank of a task anew; its row is locked by the caller. */
export async function rerank(trx: Trx, taskId: string, ownAgeing: number): Promise<void> {
  await sql`update tasks set rank = ${storedRank(ownAgeing)} where id = ${taskId}`.execute(trx);
}

export type Ageing = {
  secondsPerLevel: number | null;
  /** While ranks are computed anew: the pending tasks up to this one have theirs. */
  rerankedUpTo: string | null;
};

/** The ageing of the database, locked: one replica at a time changes it or computes ranks by it. */
export async function lockAgeing(trx: Trx): Promise<Ageing> {
  await sql`select 1 from installation for update`.execute(trx);
  return readAgeing(trx);
}

async function readAgeing(db: Kysely<Database>): Promise<Ageing> {
  const { rows } = await sql<Ageing>`
    select ageing_seconds_per_level as "secondsPerLevel", reranked_up_to as "rerankedUpTo" from installation`.execute(
    db,
  );
  return rows[0] ?? { secondsPerLevel: null, rerankedUpTo: null };
}

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/**
 * Stores another ageing. Whoever writes tasks at this moment is waited for, and who comes later waits for the commit:
 * a statement that began with the old value has written its ranks where the pass after this will find them, and one
 * that begins after this reads the new value.
 */
export async function setAgeing(trx: Trx, secondsPerLevel: number): Promise<void> {
  await sql`lock table tasks in share row exclusive mode`.execute(trx);
  await trx
    .updateTable('installation')
    .set({ ageing_seconds_per_level: secondsPerLevel, reranked_up_to: BEFORE_ALL })
    .execute();
}

/** Computes the ranks of the next so many pending tasks by id. Answers how many it looked at. */
export async function rerankNext(trx: Trx, after: string, limit: number): Promise<number> {
  const next = await sql<{ id: string }>`
    select id from tasks where status = 'pending' and id > ${after} order by id limit ${limit}
    for no key update`.execute(trx);
  const ids = next.rows.map(({ id }) => id);
  await sql`
    update tasks set rank = ${storedRank()}
    where id = any(${ids}::uuid[]) and rank <> ${storedRank()}`.execute(trx);
  const done = ids.length < limit;
  await trx
    .updateTable('installation')
    .set({ reranked_up_to: done ? null : (ids.at(-1) ?? null) })
    .execute();
  return ids.length;
}
