import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

type Db = Kysely<Database>;

/** The process of a replica, so that one started later on the same machine can tell that it is gone. */
export type ReplicaProcess = { bootId: string; pidNamespace: string; pid: number; startedAt: string };
export type Replica = ReplicaProcess & { id: string };

export async function insertReplica(db: Db, { id, bootId, pidNamespace, pid, startedAt }: Replica): Promise<void> {
  await db
    .insertInto('replicas')
    .values({ id, boot_id: bootId, pid_namespace: pidNamespace, pid, process_started_at: startedAt })
    .execute();
}

/** Of every open attempt over SSH; the words of its index, so that no other task is read. */
const holders = sql`(select holder from tasks where execution_mode = 'ssh_cli' and status in ('assigned', 'running'))`;

/** Replicas on this machine as it runs now, that hold an attempt. */
export async function holdersOnMachine(db: Db, { bootId, pidNamespace }: ReplicaProcess): Promise<Replica[]> {
  const rows = await db
    .selectFrom('replicas')
    .selectAll()
    .where('boot_id', '=', bootId)
    .where('pid_namespace', '=', pidNamespace)
    .where(sql<boolean>`id in ${holders}`)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    bootId: row.boot_id,
    pidNamespace: row.pid_namespace,
    pid: row.pid,
    startedAt: row.process_started_at,
  }));
}

/** Forgets replicas that hold nothing and began more than a day ago, but for this one. */
export async function forgetOldReplicas(db: Db, ownId: string): Promise<void> {
  await sql`
    delete from replicas
    where id <> ${ownId} and started_at < now() - interval '1 day'
      and not exists (select from ${holders} held where holder = replicas.id)`.execute(db);
}
