import { type Kysely, sql } from 'kysely';
import { affectedRows } from './answers.ts';
import type { Database } from './schema.ts';
import { type Awake, awake } from './ssh-attempts.ts';

type Db = Kysely<Database>;

/** The process of a replica, so that one started later on the same machine can tell that it is gone. */
export type ReplicaProcess = { bootId: string; pidNamespace: string; pid: number; startedAt: string };
export type Replica = ReplicaProcess & { id: string };

/** Says that a replica is there, and which hosts its file has. */
export async function keepReplica(db: Db, replica: Replica, hostIds: readonly string[]): Promise<void> {
  const { id, bootId, pidNamespace, pid, startedAt } = replica;
  await sql`
    insert into replicas (id, boot_id, pid_namespace, pid, process_started_at, host_ids, seen_at)
    values (${id}, ${bootId}, ${pidNamespace}, ${pid}, ${startedAt}, ${hostIds}::text[], clock_timestamp())
    on conflict (id) do update set host_ids = excluded.host_ids, seen_at = excluded.seen_at`.execute(db);
}

/** Other replicas on this machine as it runs now. */
export async function neighboursOf(db: Db, { id, bootId, pidNamespace }: Replica): Promise<Replica[]> {
  const rows = await db
    .selectFrom('replicas')
    .selectAll()
    .where('boot_id', '=', bootId)
    .where('pid_namespace', '=', pidNamespace)
    .where('id', '<>', id)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    bootId: row.boot_id,
    pidNamespace: row.pid_namespace,
    pid: row.pid,
    startedAt: row.process_started_at,
  }));
}

export async function deleteReplicas(db: Db, ids: readonly string[]): Promise<void> {
  await sql`delete from replicas where id = any(${ids}::uuid[])`.execute(db);
}

/** Forgets replicas of which nothing was heard for so long. */
export async function deleteSilentReplicas(db: Db, seconds: number): Promise<void> {
  await sql`delete from replicas where seen_at < clock_timestamp() - make_interval(secs => ${seconds})`.execute(db);
}

/**
 * Hosts that no replica has in its file, of those that were heard of within so many seconds. After an outage of ours,
 * in which none could be heard of, all have as long to say that they are there.
 */
export async function hostsInNoFile(db: Db, patience: Awake): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from agents
    where execution_mode = 'ssh_cli' and deleted_at is null and not exists (
      select from replicas
      where agents.id = any(host_ids)
        and (seen_at > clock_timestamp() - make_interval(secs => ${patience.patienceSeconds}) or not ${awake(patience)}))
    order by id`.execute(db);
  return rows.map((row) => row.id);
}

/** Brings back hosts that were deleted although a replica has them in its file; answers how many. */
export async function reviveHosts(db: Db, hostIds: readonly string[]): Promise<number> {
  const result = await sql`
    update agents set deleted_at = null
    where id = any(${hostIds}::text[]) and execution_mode = 'ssh_cli' and deleted_at is not null
      and not exists (select from agents other where other.name = agents.name and other.deleted_at is null)`.execute(
    db,
  );
  return affectedRows(result);
}
