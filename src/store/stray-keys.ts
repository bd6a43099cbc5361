import { type Kysely, sql } from 'kysely';
import { waitsForKey } from './gates.ts';
import type { Database } from './schema.ts';

/** Keys in their order, of which those that need help are told, and the last one looked at; null: there was no more. */
export type KeyWalk<T> = { stray: T[]; last: string | null };

/**
 * Walks over the keys for which somebody waits, one jump in the index for each however many wait, and tells those that
 * nobody holds though somebody waits for nothing else.
 */
export async function walkFreeKeys(db: Kysely<Database>, after: string, limit: number): Promise<KeyWalk<string>> {
  const { rows } = await sql<{ key: string; stray: boolean }>`
    with recursive walk as (
      (select concurrency_key as key, 1 as n from tasks where ${waitsForKey} and concurrency_key > ${after}
        order by concurrency_key limit 1)
      union all
      select next.key, walk.n + 1 from walk cross join lateral (
        select concurrency_key as key from tasks where ${waitsForKey} and concurrency_key > walk.key
        order by concurrency_key limit 1) next
      where walk.n < ${sql.lit(limit)})
    select key, not exists (select from concurrency c where c.key = walk.key)
      and exists (select from tasks where ${waitsForKey} and concurrency_key = walk.key) as stray
    from walk`.execute(db);
  return {
    stray: rows.filter((row) => row.stray).map(({ key }) => key),
    last: rows.length < limit ? null : (rows.at(-1)?.key ?? null),
  };
}

export type HeldKey = { key: string; taskId: string };

/** Walks over the keys that are held, and tells those whose holder has ended or is no more. */
export async function walkHeldKeys(db: Kysely<Database>, after: string, limit: number): Promise<KeyWalk<HeldKey>> {
  const { rows } = await sql<HeldKey & { stray: boolean }>`
    select c.key, c.task_id as "taskId",
      not exists (select from tasks t where t.id = c.task_id and t.status in ('pending', 'assigned', 'running')) as stray
    from (select key, task_id from concurrency where key > ${after} order by key limit ${sql.lit(limit)}) c
    order by c.key`.execute(db);
  return {
    stray: rows.filter((row) => row.stray),
    last: rows.length < limit ? null : (rows.at(-1)?.key ?? null),
  };
}
