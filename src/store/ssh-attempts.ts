import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Contact, StopReason } from '../domain/task.ts';
import { affectedRows } from './answers.ts';
import { takesPlace } from './places.ts';
import type { Database, HostStore } from './schema.ts';

type Db = Kysely<Database>;

/** An attempt that nobody drives; `holder` had its lease last, `wrapper` is the script that was to start it. */
export type FreeAttempt = {
  taskId: string;
  attemptId: string;
  hostId: string;
  holder: string;
  wrapper: string | null;
};

/** Open attempts on these hosts whose lease has lapsed, whoever held it. */
export async function freeAttempts(db: Db, hostIds: readonly string[]): Promise<FreeAttempt[]> {
  if (hostIds.length === 0) return [];
  const { rows } = await sql<FreeAttempt>`
    select t.id as "taskId", t.attempt_id as "attemptId", t.assigned_agent_id as "hostId", t.holder,
      a.host_store ->> 'wrapper' as wrapper
    from tasks t join attempts a on a.id = t.attempt_id
    where t.execution_mode = 'ssh_cli' and t.status in ('assigned', 'running')
      and t.assigned_agent_id = any(${hostIds}::text[]) and t.lease_expires_at < clock_timestamp()
    order by t.id`.execute(db);
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
 * Lets go of all leases of replicas: whoever comes next may adopt at once. Locked in the order of their ids, as by
 * everybody who locks many.
 */
export async function lapseLeasesOf(db: Db, replicaIds: readonly string[]): Promise<void> {
  if (replicaIds.length === 0) return;
  await sql`
    update tasks set lease_expires_at = clock_timestamp()
    where id in (
      select id from tasks
      where execution_mode = 'ssh_cli' and status in ('assigned', 'running') and holder = any(${replicaIds}::uuid[])
        and lease_expires_at > clock_timestamp()
      order by id for no key update)`.execute(db);
}

/**
 * Written before a start is sent: for which memory of the host, if that isn't known yet, and when its watchdog has
 * surely ended the command. The task's row is locked, so that nobody adopts or ends the attempt in between. Answers
 * false if the lease isn't this replica's any more.
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
    update attempts a set host_store = coalesce(${store && JSON.stringify(store)}::jsonb, a.host_store),
      dead_by = clock_timestamp() + make_interval(secs => t.timeout_seconds + ${graceSeconds} + 60)
    from t where a.id = ${attemptId} and a.finished_at is null`.execute(db);
  return affectedRows(result) === 1;
}

/** The start that was to be sent was not, or began nothing: the next replica may begin as if there had been none. */
export async function forgetStarting(db: Db, attemptId: string, replicaId: string): Promise<void> {
  await sql`
    with t as materialized (
      select id from tasks
      where id = (select task_id from attempts where id = ${attemptId}) and attempt_id = ${attemptId}
        and holder = ${replicaId}::uuid
      for no key update)
    update attempts a set host_store = null, dead_by = null
    from t
    where a.id = ${attemptId} and a.finished_at is null and a.process is null`.execute(db);
}

/**
 * Since when its host answers about an attempt, or doesn't: for so many seconds already. Changes nothing where another
 * replica drives the attempt by now: one that is just adopting it holds the task's row, and it is waited for.
 */
export async function recordContact(
  db: Db,
  attemptId: string,
  replicaId: string,
  { state, forSeconds }: { state: Contact['state']; forSeconds: number },
): Promise<void> {
  await sql`
    with t as materialized (
      select id from tasks
      where id = (select task_id from attempts where id = ${attemptId}) and holder = ${replicaId}::uuid
      for no key update)
    update attempts a set contact = ${contactOf(state, sql`clock_timestamp() - make_interval(secs => ${forSeconds})`)}
    from t
    where a.id = ${attemptId} and a.finished_at is null and t.id = a.task_id
      and coalesce(a.contact ->> 'state', '') <> ${state}`.execute(db);
}

const contactOf = (state: Contact['state'], since: RawBuilder<unknown>) => sql`
  jsonb_build_object('state', ${state}::text, 'since', to_char(${since}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))`;

/** When ours can't be blamed for the silence of a host: we sweep, and have for `patienceSeconds`. */
export type Awake = { outageSeconds: number; patienceSeconds: number };
export const awake = ({ outageSeconds, patienceSeconds }: Awake) => sql<boolean>`exists (
  select from beat where at > clock_timestamp() - make_interval(secs => ${outageSeconds})
    and up_since < clock_timestamp() - make_interval(secs => ${patienceSeconds}))`;

/**
 * Notes the silence of hosts about attempts that nobody drives: no replica could get an answer for so many seconds.
 * Whoever adopts one waits for the task's row, and then says better. Answers their tasks.
 */
export async function noteSilence(db: Db, silentSeconds: number, outageSeconds: number): Promise<string[]> {
  const { rows } = await sql<{ task_id: string }>`
    with silent as materialized (
      select t.attempt_id, t.lease_expires_at from tasks t join attempts a on a.id = t.attempt_id
      where t.execution_mode = 'ssh_cli' and t.status in ('assigned', 'running')
        and t.lease_expires_at < clock_timestamp() - make_interval(secs => ${silentSeconds})
        and coalesce(a.contact ->> 'state', '') <> 'unreachable'
        and ${awake({ outageSeconds, patienceSeconds: silentSeconds })}
      order by t.id for no key update of t)
    update attempts a set contact = ${contactOf('unreachable', sql`silent.lease_expires_at`)}
    from silent where a.id = silent.attempt_id and a.finished_at is null
    returning a.task_id`.execute(db);
  return rows.map((row) => row.task_id);
}

export type Hopeless = { attempt_id: string; dead_by: string | null };

/**
 * Attempts of which nothing more can come: nobody gets an answer about them, and either no start was ever sent, or the
 * host's own watchdog has ended them by now, or, of a task that may run twice, the host has been silent for longer than
 * it may be. What a probe says of the host doesn't matter: one that answers it and nothing else is no better.
 */
export async function hopelessAttempts(
  db: Db,
  lostAfter: readonly { hostId: string; seconds: number }[],
  patience: Awake,
): Promise<Hopeless[]> {
  const { rows } = await sql<Hopeless>`
    select t.attempt_id, a.dead_by
    from tasks t
    join attempts a on a.id = t.attempt_id
    left join unnest(${lostAfter.map((host) => host.hostId)}::text[], ${lostAfter.map((host) => host.seconds)}::float8[])
      as l(host_id, seconds) on l.host_id = t.assigned_agent_id
    where t.execution_mode = 'ssh_cli' and t.status in ('assigned', 'running')
      and t.lease_expires_at < clock_timestamp() and a.contact ->> 'state' = 'unreachable' and ${awake(patience)}
      and (a.dead_by is null or a.dead_by < clock_timestamp()
        or (t.repeatable and (a.contact ->> 'since')::timestamptz
              < clock_timestamp() - make_interval(secs => l.seconds)))`.execute(db);
  return rows;
}

/** What a replica found when it asked a host. */
export type HostAnswer = { replicaId: string | null } & (
  | { online: true; code: null; message: null }
  | { online: false; code: string; message: string }
);

/**
 * Writes down whether a host answers, and why not; answers whether that is news. One that answered another replica
 * within `freshSeconds` stays online: there is nothing wrong with it, only with the way from here.
 */
export async function setHostState(
  db: Db,
  hostId: string,
  { replicaId, online, code, message }: HostAnswer,
  freshSeconds: number,
): Promise<boolean> {
  const answersOthers = sql<boolean>`(
    agents.online and seen_by <> ${replicaId}::uuid and exists (select from replicas where id = seen_by)
    and last_seen_at > clock_timestamp() - make_interval(secs => ${freshSeconds}))`;
  const { rows } = await sql<{ was_online: boolean }>`
    with before as (select online from agents where id = ${hostId} and execution_mode = 'ssh_cli' for no key update)
    update agents set
      online = ${online},
      last_seen_at = case when ${online} then clock_timestamp() else last_seen_at end,
      seen_by = case when ${online} then ${replicaId}::uuid else seen_by end,
      state_reason = case
        when ${online} then case when state_reason ->> 'code' = 'isolated' then state_reason end
        when state_reason ->> 'code' = ${code} then state_reason || jsonb_build_object('message', ${message}::text)
        else jsonb_build_object('code', ${code}::text, 'message', ${message}::text,
          'since', to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) end
    from before where id = ${hostId} and deleted_at is null and (${online} or not coalesce(${answersOthers}, false))
    returning before.online as was_online`.execute(db);
  return rows[0] !== undefined && rows[0].was_online !== online;
}

/** Why an attempt is to stop; null when it isn't, or isn't its task's current one. */
export async function stopReasonOf(db: Db, attemptId: string): Promise<StopReason | null> {
  const { rows } = await sql<{ stop_reason: StopReason | null }>`
    select t.stop_reason from attempts a join tasks t on t.id = a.task_id and t.attempt_id = a.id
    where a.id = ${attemptId} and a.finished_at is null`.execute(db);
  return rows[0]?.stop_reason ?? null;
}

/** Of attempts: ended without the word of their host, which hasn't answered about them since. */
export const isToBeAskedAbout = sql<boolean>`(
  not attempts.settled and attempts.finished_at is not null and (coalesce(attempts.contact ->> 'state', '') <> 'ok'
    or (attempts.contact ->> 'since')::timestamptz < attempts.finished_at))`;

/** Those of these hosts that are to be asked about such attempts before anything starts there. */
export async function hostsToAsk(trx: Db, hostIds: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from agents
    where id = any(${hostIds}::text[]) and exists (
      select from attempts where ${takesPlace} and ${isToBeAskedAbout})`.execute(trx);
  return rows.map((row) => row.id);
}

/** Its host has answered about an attempt that ended without its word; answers whether that is the first time. */
export async function recordAsked(db: Db, attemptId: string): Promise<boolean> {
  const result = await sql`
    update attempts set contact = ${contactOf('ok', sql`clock_timestamp()`)}
    where id = ${attemptId} and ${isToBeAskedAbout}`.execute(db);
  return affectedRows(result) === 1;
}
