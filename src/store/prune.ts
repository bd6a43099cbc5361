import { type Kysely, sql } from 'kysely';
import { affectedRows, onlyRow } from './answers.ts';
import type { Database } from './schema.ts';

type Db = Kysely<Database>;

/*
 * What is deleted for its age, the oldest first and a few at a time. Each statement is a transaction of its own; rows
 * that somebody uses just now, another replica's pruning among them, are left for the next time.
 */

/** Where the next look for finished tasks begins: what stands before it was deleted, or must stay. */
export type TaskPlace = { createdAt: string; id: string };
export type OldTasks = { ids: string[]; last: TaskPlace | null };

/** Tasks that were made before the end of the term and have ended by then. A task was made before it ended, so by the
 * index of their beginnings few others are stepped over. */
export async function oldFinishedTasks(
  db: Db,
  days: number,
  after: TaskPlace | null,
  limit: number,
): Promise<OldTasks> {
  const { createdAt, id } = after ?? { createdAt: '-infinity', id: '00000000-0000-0000-0000-000000000000' };
  const { rows } = await sql<{ id: string; created_at: string }>`
    select t.id, t.created_at from (values ('completed'), ('failed'), ('cancelled')) as ended(status)
    cross join lateral (
      select id, created_at from tasks
      where status = ended.status and status in ('completed', 'failed', 'cancelled')
        and (created_at, id) > (${createdAt}::timestamptz, ${id}::uuid)
        and created_at < now() - make_interval(secs => ${days} * 86400.0)
        and finished_at < now() - make_interval(secs => ${days} * 86400.0)
      order by created_at, id limit ${limit}) t
    order by t.created_at, t.id limit ${limit}`.execute(db);
  const last = rows.at(-1);
  return { ids: rows.map((row) => row.id), last: last ? { createdAt: last.created_at, id: last.id } : null };
}

/** Deletes finished tasks whole, with their history; answers how many. Those that something waits for stay. */
export async function pruneTasks(db: Db, ids: readonly string[]): Promise<number> {
  const { rows } = await sql<{ pruned: number }>`select prune_tasks(${ids}::uuid[]) as pruned`.execute(db);
  return onlyRow(rows).pruned;
}

/** The next attempts that have a log, in the order of their ids, which is that of their beginnings. */
export async function attemptsWithLog(db: Db, after: string | null, limit: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with recursive l as (
      (select attempt_id as id, 1 as n from attempt_logs
       where ${after}::uuid is null or attempt_id > ${after}::uuid order by attempt_id limit 1)
      union all
      select (select attempt_id from attempt_logs where attempt_id > l.id order by attempt_id limit 1), n + 1
      from l where l.id is not null and n < ${limit})
    select id from l where id is not null`.execute(db);
  return rows.map((row) => row.id);
}

/** Deletes what those of the attempts printed that ended before the term; answers of how many. */
export async function pruneLogs(db: Db, attemptIds: readonly string[], days: number): Promise<number> {
  const { rows } = await sql<{ pruned: number }>`
    with old as materialized (
      select id from attempts
      where id = any(${attemptIds}::uuid[]) and finished_at < now() - make_interval(secs => ${days} * 86400.0)
      order by id for update skip locked),
    deleted as (delete from attempt_logs where attempt_id in (select id from old)),
    marked as (update attempt_streams set log_pruned = true where attempt_id in (select id from old))
    select count(*)::int as pruned from old`.execute(db);
  return onlyRow(rows).pruned;
}

/**
 * Deletes deliveries; answers how many. One whose bytes came again stays until what came again is as old. That an event
 * is acted on once is kept apart, as its effect.
 */
export async function pruneDeliveries(db: Db, days: number, limit: number): Promise<number> {
  const result = await sql`
    delete from deliveries where id = any(array(
      select id from deliveries d
      where received_at < now() - make_interval(secs => ${days} * 86400.0)
        and not exists (select from deliveries again where again.duplicate_of = d.id)
      order by received_at, id limit ${limit} for update skip locked))`.execute(db);
  return affectedRows(result);
}

export async function pruneIdempotencyKeys(db: Db, hours: number, limit: number): Promise<number> {
  const result = await sql`
    delete from idempotency_keys k using (
      select principal, key from idempotency_keys
      where created_at < now() - make_interval(secs => ${hours} * 3600.0)
      order by created_at limit ${limit} for update skip locked) old
    where k.principal = old.principal and k.key = old.key`.execute(db);
  return affectedRows(result);
}
