import { type Kysely, sql, type Transaction } from 'kysely';
import { affectedRows } from './answers.ts';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

/** Longest that an attempt may be renewed beyond what its timeout and the grace to stop it take. */
const OVERTIME_SECONDS = 90;
/** Longest that an attempt may be held without being started. */
const UNSTARTED_SECONDS = 300;

/**
 * When a renewed lease ends; it stays as it is for an attempt that should have ended long ago, so that nobody holds
 * a task for ever. After an outage of ours everybody has the time again to say how theirs ended. Over SSH the lease is
 * contact and no verdict: it lasts as long as the host answers.
 */
const renewedLease = (seconds: number) => sql<string>`case
  when t.execution_mode = 'ssh_cli' then clock_timestamp() + make_interval(secs => ${seconds})
  when a.started_at is null and clock_timestamp() > a.leased_at + make_interval(secs => ${UNSTARTED_SECONDS})
    then t.lease_expires_at
  when clock_timestamp() > greatest(a.started_at + make_interval(secs => t.timeout_seconds),
      (select up_since from beat)) + make_interval(secs => ${OVERTIME_SECONDS}) and a.started_at is not null
    then t.lease_expires_at
  else clock_timestamp() + make_interval(secs => ${seconds}) end`;

export type RenewedRow = { attempt_id: string; lease_expires_at: string; stop_reason: string | null };

/**
 * Renews leases of attempts that are current and held as said; who isn't in the answer has lost it. Only columns that
 * no event tells are touched, so a renewal never changes the chain. Rows are locked in the order of their ids, as by
 * everybody who locks many.
 */
export async function renewLeases(
  db: Kysely<Database>,
  held: { agentIds: readonly string[] } | { replicaId: string },
  attemptIds: readonly string[],
  seconds: number,
): Promise<RenewedRow[]> {
  if (attemptIds.length === 0) return [];
  const holds =
    'agentIds' in held
      ? sql`t.assigned_agent_id = any(${held.agentIds}::text[]) and t.execution_mode = 'http_pull'`
      : sql`t.holder = ${held.replicaId}::uuid`;
  const { rows } = await sql<RenewedRow>`
    with a as materialized (
      select t.id as task_id, a.leased_at, a.started_at from attempts a join tasks t on t.id = a.task_id
      where a.id = any(${attemptIds}::uuid[]) and t.attempt_id = a.id
        and t.status in ('assigned', 'running') and ${holds}
      order by t.id for no key update of t)
    update tasks t set lease_expires_at = ${renewedLease(seconds)}
    from a where t.id = a.task_id
    returning t.attempt_id, t.lease_expires_at, t.stop_reason`.execute(db);
  return rows;
}

export async function setProgress(
  trx: Kysely<Database>,
  attemptId: string,
  progress: { percent: number | null; message: string | null },
): Promise<boolean> {
  const result = await sql`
    update tasks set progress = jsonb_build_object('percent', ${progress.percent}::float8,
      'message', ${progress.message}::text,
      'at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    where id = (select task_id from attempts where id = ${attemptId}) and attempt_id = ${attemptId}
      and status in ('assigned', 'running')`.execute(trx);
  return affectedRows(result) === 1;
}

export type Beat = { outage: boolean; previousAt: string };

/**
 * Takes the beat: one sweep at a time. `outage`: since the last beat so much time passed, or less than none, that
 * nobody can have renewed. The row is locked by one statement and read by the next.
 */
export async function takeBeat(trx: Trx, outageSeconds: number): Promise<Beat> {
  await sql`select 1 from beat for update`.execute(trx);
  const { rows } = await sql<{ outage: boolean; previous_at: string }>`
    with clock as (select at as last_at, clock_timestamp() as now from beat),
      told as (
        select last_at, now, now - last_at > make_interval(secs => ${outageSeconds}) or now < last_at as outage
        from clock)
    update beat set previous_at = told.last_at, at = told.now,
      up_since = case when told.outage then told.now else up_since end
    from told returning told.last_at as previous_at, told.outage`.execute(trx);
  const [row] = rows;
  return { outage: row?.outage ?? true, previousAt: row?.previous_at ?? '' };
}

/** After an outage of ours every open lease of a pull agent begins anew, and none ends. */
export async function refreshPullLeases(trx: Trx, seconds: number): Promise<void> {
  await sql`
    update tasks set lease_expires_at = clock_timestamp() + make_interval(secs => ${seconds})
    where id in (
      select id from tasks where lease_expires_at is not null and execution_mode = 'http_pull'
      order by id for no key update)`.execute(trx);
}

/** Attempts of pull agents whose lease had lapsed when the beat before this one was taken. */
export async function lapsedPullAttempts(trx: Trx, lapsedBy: string, limit: number): Promise<string[]> {
  const { rows } = await sql<{ attempt_id: string }>`
    select attempt_id from tasks
    where lease_expires_at is not null and lease_expires_at < ${lapsedBy}::timestamptz
      and execution_mode = 'http_pull'
    order by lease_expires_at limit ${limit}`.execute(trx);
  return rows.map((row) => row.attempt_id);
}

/**
 * Running attempts that should have timed out by themselves and haven't been asked to stop. What ended by itself while
 * nobody could hear of it is none: after an outage of ours, or over SSH since somebody holds the attempt again, there
 * is time to say so.
 */
export async function overdueTasks(db: Kysely<Database>, graceSeconds: number, limit: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select t.id from tasks t join attempts a on a.id = t.attempt_id cross join beat
    where t.lease_expires_at is not null and t.stop_reason is null and t.status = 'running'
      and (t.execution_mode = 'http_pull' or t.lease_expires_at >= clock_timestamp())
      and clock_timestamp() - make_interval(secs => ${graceSeconds}) > greatest(
        a.started_at + make_interval(secs => t.timeout_seconds), beat.up_since,
        case t.execution_mode when 'ssh_cli' then t.updated_at end)
    limit ${limit}`.execute(db);
  return rows.map((row) => row.id);
}

/** Pull agents that were silent for this long are offline. */
export async function markSilentAgents(db: Kysely<Database>, seconds: number): Promise<number> {
  const result = await sql`
    update agents set online = false
    where execution_mode = 'http_pull' and online
      and last_seen_at < clock_timestamp() - make_interval(secs => ${seconds})`.execute(db);
  return affectedRows(result);
}

/** Notes that these live, as any call of theirs tells. Locked in the order of their ids, as whoever locks many does. */
export async function touchAgents(db: Kysely<Database>, agentIds: readonly string[]): Promise<void> {
  await sql`
    update agents set online = true, last_seen_at = clock_timestamp()
    where id in (
      select id from agents where id = any(${agentIds}::text[]) and deleted_at is null
      order by id for no key update)`.execute(db);
}
