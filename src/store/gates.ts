import { sql, type Transaction } from 'kysely';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

/*
 * A task is ready when all its gates are open: its time has come, its dependencies are met, it is approved if it must
 * be, and it holds its concurrency key if it has one. The key comes last: who only waits for a gate holds no key.
 * Locks are taken in one order: tasks, then rows of `concurrency`, then, without waiting, the task that gets a key.
 */

export type KeyWish = { key: string; taskId: string };

/**
 * Of tasks whose other gates are open, those that hold their key from now on. Whoever holds it already is waited for:
 * either it sees these tasks when it passes the key on, or they see that the key is free.
 */
export async function claimKeys(trx: Trx, wishes: readonly KeyWish[]): Promise<Set<string>> {
  if (wishes.length === 0) return new Set();
  const firstByKey = new Map<string, string>();
  for (const { key, taskId } of wishes) if (!firstByKey.has(key)) firstByKey.set(key, taskId);
  // In one order, so that two claims of several keys can't wait for each other.
  const keys = [...firstByKey.keys()].sort();
  const { rows } = await sql<KeyWish>`
    insert into concurrency (key, task_id)
    select * from unnest(${keys}::text[], ${keys.map((key) => firstByKey.get(key) ?? '')}::uuid[])
    on conflict (key) do update set key = excluded.key
    returning key, task_id as "taskId"`.execute(trx);
  const holders = new Map(rows.map((row) => [row.key, row.taskId]));
  return new Set(wishes.filter(({ key, taskId }) => holders.get(key) === taskId).map(({ taskId }) => taskId));
}

/** But for its time and its key, a task waits for nothing. */
export const metAndApproved = sql<boolean>`unmet_dependencies = 0
  and (not requires_approval or approved_at is not null)`;

/** Of a task that is not ready: its key is all that it can be waiting for. */
export const otherGatesOpen = sql<boolean>`due_at is null and ${metAndApproved}`;

/**
 * Found by `tasks_waiting_for_key`, which has the holder of a key too while that runs. The status stands in a coalesce so
 * that the planner takes no other index for it.
 */
export const waitsForKey = sql<boolean>`concurrency_key is not null and finished_at is null and not ready
  and ${otherGatesOpen} and coalesce(status = 'pending', false)`;

/**
 * Makes ready those of these pending tasks, whose rows the caller has locked, whose gates are all open now. Answers
 * their ids.
 */
export async function openGates(trx: Trx, taskIds: readonly string[]): Promise<string[]> {
  if (taskIds.length === 0) return [];
  const { rows } = await sql<{ id: string; concurrency_key: string | null }>`
    select id, concurrency_key from tasks
    where id = any(${taskIds}::uuid[]) and coalesce(status = 'pending' and not ready and ${otherGatesOpen}, false)
    order by rank, id`.execute(trx);
  const keyed = rows.flatMap(({ id, concurrency_key: key }) => (key === null ? [] : [{ key, taskId: id }]));
  const holding = await claimKeys(trx, keyed);
  const open = rows.filter(({ id, concurrency_key: key }) => key === null || holding.has(id)).map(({ id }) => id);
  await markReady(trx, open);
  return open;
}

/** By their keys: the condition stands in a coalesce so that the planner doesn't read a whole index for it. */
async function markReady(trx: Trx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql`
    update tasks set ready = true, ready_at = clock_timestamp(), due_at = null
    where id = any(${ids}::uuid[]) and coalesce(status = 'pending' and not ready, false)`.execute(trx);
}

/**
 * Takes the key from a task that is final now and gives it to the best-ranked task that waits for nothing else. One
 * that somebody changes at this moment is passed over: it finds the key free, or the next sweep finds it.
 */
export async function passOnKey(trx: Trx, key: string, taskId: string): Promise<void> {
  const { rows } = await sql`
    select 1 from concurrency where key = ${key} and task_id = ${taskId} for update`.execute(trx);
  if (rows.length === 0) return;
  const heir = await lockBestWaiter(trx, key);
  if (heir === null) {
    await trx.deleteFrom('concurrency').where('key', '=', key).execute();
    return;
  }
  await trx.updateTable('concurrency').set({ task_id: heir }).where('key', '=', key).execute();
  await markReady(trx, [heir]);
}

/** Locks the best-ranked of those that wait for a key and nothing else, but for those that somebody changes now. */
export async function lockBestWaiter(trx: Trx, key: string): Promise<string | null> {
  const { rows } = await sql<{ id: string }>`
    select id from tasks
    where concurrency_key = ${key} and ${waitsForKey}
    order by rank, id limit 1
    for no key update skip locked`.execute(trx);
  return rows[0]?.id ?? null;
}
