import { type Kysely, sql, type Transaction } from 'kysely';
import { affectedRows } from './answers.ts';
import type { Database } from './schema.ts';

export type KeyUse = { principal: string; key: string; bodyHash: string; taskIds: readonly string[] };

/** Uses a key for the first time. Waits for whoever uses the same one now; answers false if it was used before. */
export async function useKey(trx: Transaction<Database>, use: KeyUse): Promise<boolean> {
  const result = await sql`
    insert into idempotency_keys (principal, key, body_hash, task_ids)
    values (${use.principal}, ${use.key}, ${use.bodyHash}, ${use.taskIds}::uuid[])
    on conflict do nothing`.execute(trx);
  return affectedRows(result) === 1;
}

export async function findKey(
  db: Kysely<Database>,
  principal: string,
  key: string,
): Promise<{ bodyHash: string; taskIds: string[] } | null> {
  const row = await db
    .selectFrom('idempotency_keys')
    .select(['body_hash', 'task_ids'])
    .where('principal', '=', principal)
    .where('key', '=', key)
    .executeTakeFirst();
  return row === undefined ? null : { bodyHash: row.body_hash, taskIds: row.task_ids };
}

/** The hashes of the bodies that made tasks of these ids; null for one whose caller didn't choose its id. */
export async function createdHashes(db: Kysely<Database>, ids: readonly string[]): Promise<Map<string, string | null>> {
  const rows = await db.selectFrom('tasks').select(['id', 'created_hash']).where('id', 'in', ids).execute();
  return new Map(rows.map((row) => [row.id, row.created_hash]));
}
