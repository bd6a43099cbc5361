import { type Kysely, sql } from 'kysely';
import type { Contact } from '../domain/task.ts';
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

/** Lets go of all leases of a replica: whoever comes next may adopt at once. */
export async function lapseLeasesOf(db: Db, replicaId: string): Promise<void> {
  await sql`
    update tasks set lease_expires_at = clock_timestamp()
    where execution_mode = 'ssh_cli' and status in ('assigned', 'running') and holder = ${replicaId}::uuid`.execute(db);
}

/** Written before a start is sent: in which memory of the host, and when its watchdog has surely ended the command. */
export async function recordStarting(
  db: Db,
  attemptId: string,
  replicaId: string,
  store: HostStore,
  graceSeconds: number,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update attempts a set host_store = coalesce(a.host_store, ${JSON.stringify(store)}::jsonb),
      dead_by = clock_timestamp() + make_interval(secs => t.timeout_seconds + ${graceSeconds} + 60)
    from tasks t
    where a.id = ${attemptId} and t.id = a.task_id and t.attempt_id = a.id and a.finished_at is null
      and t.holder = ${replicaId}::uuid`.execute(db);
  return (numAffectedRows ?? 0n) === 1n;
}

export async function recordContact(db: Db, attemptId: string, state: Contact['state']): Promise<void> {
  await sql`
    update attempts set contact = jsonb_build_object('state', ${state}::text, 'since',
      to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    where id = ${attemptId} and finished_at is null
      and coalesce(contact ->> 'state', '') <> ${state}`.execute(db);
}

/**
 * Attempts of which nothing more can come: their lease has lapsed and the host's own watchdog has ended them by now, or,
 * of a task that may run twice, their host has been out of reach for longer than it may be.
 */
export async function hopelessAttempts(db: Db, lostAfter: readonly { hostId: string; seconds: number }[]) {
  const { rows } = await sql<{ attempt_id: string }>`
    select t.attempt_id
    from tasks t
    join attempts a on a.id = t.attempt_id
    join agents h on h.id = t.assigned_agent_id
    left join unnest(${lostAfter.map((host) => host.hostId)}::text[], ${lostAfter.map((host) => host.seconds)}::int[])
      as l(host_id, seconds) on l.host_id = h.id
    where t.execution_mode = 'ssh_cli' and t.status in ('assigned', 'running')
      and t.lease_expires_at < clock_timestamp() and not h.online
      and (a.dead_by < clock_timestamp()
        or (t.repeatable and (h.state_reason ->> 'since')::timestamptz
              < clock_timestamp() - make_interval(secs => l.seconds)))`.execute(db);
  return rows.map((row) => row.attempt_id);
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
