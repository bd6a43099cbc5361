import { type Kysely, sql } from 'kysely';
import type { Contact, StopReason } from '../domain/task.ts';
import { affectedRows } from './answers.ts';
import type { Database, HostStore } from './schema.ts';

type Db = Kysely<Database>;

export type Adoptable = { taskId: string; attemptId: string; holder: string };

/** Open attempts on these hosts whose lease has lapsed, whoever held it, or whose holder is known to be gone. */
export async function adoptableAttempts(
  db: Db,
  hostIds: readonly string[],
  goneHolders: readonly string[],
): Promise<Adoptable[]> {
  if (hostIds.length === 0) return [];
  const { rows } = await sql<Adoptable>`
    select id as "taskId", attempt_id as "attemptId", holder
    from tasks
    where execution_mode = 'ssh_cli' and status in ('assigned', 'running')
      and assigned_agent_id = any(${hostIds}::text[])
      and (lease_expires_at < clock_timestamp() or holder = any(${goneHolders}::uuid[]))
    order by id`.execute(db);
  return rows;
}

/** Attempts whose unlapsed lease this replica has, so that it finds those whose driving ended here. */
export async function heldAttempts(db: Db, replicaId: string): Promise<string[]> {
  const { rows } = await sql<{ attempt_id: string }>`
    select attempt_id from tasks
    where execution_mode = 'ssh_cli' and status in ('assigned', 'running') and holder = ${replicaId}::uuid
      and lease_expires_at >= clock_timestamp()`.execute(db);
  return rows.map((row) => row.attempt_id);
}

/** For how many seconds yet this replica has the lease of an attempt; null where it hasn't. */
export async function leaseLeft(db: Db, replicaId: string, attemptId: string): Promise<number | null> {
  const { rows } = await sql<{ seconds: number }>`
    select extract(epoch from t.lease_expires_at - clock_timestamp())::float8 as seconds
    from tasks t
    where t.id = (select task_id from attempts where id = ${attemptId}) and t.attempt_id = ${attemptId}
      and t.status in ('assigned', 'running') and t.holder = ${replicaId}::uuid
      and t.lease_expires_at >= clock_timestamp()`.execute(db);
  return rows[0]?.seconds ?? null;
}

/**
 * Lets go of all leases of a replica: whoever comes next may adopt at once. Locked in the order of their ids, as by
 * everybody who locks many.
 */
export async function lapseLeasesOf(db: Db, replicaId: string): Promise<void> {
  await sql`
    update tasks set lease_expires_at = clock_timestamp()
    where id in (
      select id from tasks
      where execution_mode = 'ssh_cli' and status in ('assigned', 'running') and holder = ${replicaId}::uuid
      order by id for no key update)`.execute(db);
}

/**
 * Written before a start is sent: in which memory of the host, the first time, and when its watchdog has surely ended
 * the command. The task's row is locked, so that nobody adopts or ends the attempt in between. Answers false if the
 * lease isn't this replica's any more.
 */
export async function recordStarting(
  db: Db,
  attemptId: string,
  replicaId: string,
  store: HostStore | null,
  graceSeconds: number,
): Promise<boolean> {
  const result = await sql`
    with t as materialized (
      select timeout_seconds from tasks
      where id = (select task_id from attempts where id = ${attemptId}) and attempt_id = ${attemptId}
        and holder = ${replicaId}::uuid and lease_expires_at >= clock_timestamp()
      for no key update)
    update attempts a set host_store = coalesce(a.host_store, ${store && JSON.stringify(store)}::jsonb),
      dead_by = clock_timestamp() + make_interval(secs => t.timeout_seconds + ${graceSeconds} + 60)
    from t where a.id = ${attemptId} and a.finished_at is null`.execute(db);
  return affectedRows(result) === 1;
}

/** Changes nothing where another replica drives the attempt by now. */
export async function recordContact(
  db: Db,
  attemptId: string,
  replicaId: string,
  state: Contact['state'],
): Promise<void> {
  await sql`
    update attempts a set contact = jsonb_build_object('state', ${state}::text, 'since',
      to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    from tasks t
    where a.id = ${attemptId} and a.finished_at is null and t.id = a.task_id and t.holder = ${replicaId}::uuid
      and coalesce(a.contact ->> 'state', '') <> ${state}`.execute(db);
}

export type Hopeless = { attempt_id: string; dead_by: string | null };

/**
 * Attempts of which nothing more can come: their host is out of reach, their lease has lapsed, and either no start was
 * ever sent, or the host's own watchdog has ended them by now, or, of a task that may run twice, the host has been away
 * for longer than it may be.
 */
export async function hopelessAttempts(
  db: Db,
  lostAfter: readonly { hostId: string; seconds: number }[],
): Promise<Hopeless[]> {
  const { rows } = await sql<Hopeless>`
    select t.attempt_id, a.dead_by
    from tasks t
    join attempts a on a.id = t.attempt_id
    join agents h on h.id = t.assigned_agent_id
    left join unnest(${lostAfter.map((host) => host.hostId)}::text[], ${lostAfter.map((host) => host.seconds)}::int[])
      as l(host_id, seconds) on l.host_id = h.id
    where t.execution_mode = 'ssh_cli' and t.status in ('assigned', 'running')
      and t.lease_expires_at < clock_timestamp() and not h.online
      and (a.dead_by is null or a.dead_by < clock_timestamp()
        or (t.repeatable and (h.state_reason ->> 'since')::timestamptz
              < clock_timestamp() - make_interval(secs => l.seconds)))`.execute(db);
  return rows;
}

/** Writes down whether a host answers, and why not; answers whether that is news. */
export async function setHostState(
  db: Db,
  hostId: string,
  state: { online: boolean; code: string | null; message: string | null },
): Promise<boolean> {
  const { rows } = await sql<{ was_online: boolean }>`
    with before as (select online from agents where id = ${hostId} and execution_mode = 'ssh_cli')
    update agents set
      online = ${state.online},
      last_seen_at = case when ${state.online} then clock_timestamp() else last_seen_at end,
      state_reason = case
        when ${state.online} then null
        when state_reason ->> 'code' = ${state.code} then state_reason || jsonb_build_object('message', ${state.message}::text)
        else jsonb_build_object('code', ${state.code}::text, 'message', ${state.message}::text,
          'since', to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) end
    from before where id = ${hostId} and deleted_at is null
    returning before.online as was_online`.execute(db);
  return rows[0] !== undefined && rows[0].was_online !== state.online;
}

/** Why an attempt is to stop; null when it isn't, or isn't its task's current one. */
export async function stopReasonOf(db: Db, attemptId: string): Promise<StopReason | null> {
  const { rows } = await sql<{ stop_reason: StopReason | null }>`
    select t.stop_reason from attempts a join tasks t on t.id = a.task_id and t.attempt_id = a.id
    where a.id = ${attemptId} and a.finished_at is null`.execute(db);
  return rows[0]?.stop_reason ?? null;
}
