import { type Kysely, sql, type Transaction } from 'kysely';
import type { AuditEvent } from '../domain/audit.ts';
import type { ExaminedAct } from '../domain/doctor/audit.ts';
import { onlyRow } from './answers.ts';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

export type StoredAct = AuditEvent & { previousHash: string | null; hash: string };
export type AuditPosition = { day: string; n: number };

const AUDIT_LOCK = 0x61756474; // "audt"

/** Lines up those who write until the transaction ends. The last lock that anybody takes, so nobody waits in a ring. */
export async function lockAudit(trx: Trx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${AUDIT_LOCK})`.execute(trx);
}

/** Where the next act of today goes; read after the lock was had. */
export async function auditHead(trx: Trx): Promise<{ day: string; at: string; n: number; hash: string | null }> {
  const { rows } = await sql<{ day: string; at: string; n: number; hash: string | null }>`
    select to_char(now.at, 'YYYY-MM-DD') as day, to_char(now.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
      coalesce(l.n, 0) as n, l.hash
    from (select clock_timestamp() at time zone 'utc' as at) now
    left join lateral (
      select n, hash from audit where day = now.at::date order by n desc limit 1) l on true`.execute(trx);
  return onlyRow(rows);
}

export async function insertAct(
  trx: Trx,
  { day, n, text, hash }: { day: string; n: number; text: string; hash: string },
): Promise<void> {
  await sql`insert into audit (day, n, text, hash) values (${day}, ${n}, ${text}, ${hash})`.execute(trx);
}

/** Newest first, before a position. */
export async function listActs(
  db: Kysely<Database>,
  limit: number,
  before: AuditPosition | null,
): Promise<StoredAct[]> {
  const { day, n } = before ?? { day: 'infinity', n: 0 };
  const { rows } = await sql<{ text: string; hash: string; previous_hash: string | null }>`
    select a.text, a.hash, p.hash as previous_hash
    from audit a left join audit p on p.day = a.day and p.n = a.n - 1
    where (a.day, a.n) < (${day}::date, ${n})
    order by a.day desc, a.n desc limit ${limit}`.execute(db);
  return rows.map((row) => ({
    ...(JSON.parse(row.text) as AuditEvent),
    previousHash: row.previous_hash,
    hash: row.hash,
  }));
}

/** Deletes the oldest day that ended before the term, whole; answers how many acts it had. */
export async function pruneAuditDay(db: Kysely<Database>, days: number): Promise<number> {
  const { rows } = await sql<{ pruned: number }>`select prune_audit(${days}) as pruned`.execute(db);
  return onlyRow(rows).pruned;
}

/** Oldest first, after a position: for who checks the chains. */
export async function actsAfter(trx: Trx, after: AuditPosition | null, limit: number): Promise<ExaminedAct[]> {
  const { day, n } = after ?? { day: '-infinity', n: 0 };
  const { rows } = await sql<ExaminedAct>`
    select to_char(day, 'YYYY-MM-DD') as day, n, text, hash from audit
    where (day, n) > (${day}::date, ${n})
    order by day, n limit ${limit}`.execute(trx);
  return rows;
}
