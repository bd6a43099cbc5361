import { type Kysely, sql } from 'kysely';
import type { Instance } from '../domain/instance.ts';
import type { Database } from './schema.ts';

/**
 * Lets a process of an agent in, if it is the one that was let in last, a later start on the same store, or if that one
 * wasn't heard from for so long. Null: it is not let in. The agent's row decides when two ask at once.
 */
export async function letInstanceIn(
  db: Kysely<Database>,
  agentId: string,
  { store, startNumber, nonce }: Instance,
  silentSeconds: number,
): Promise<{ isNew: boolean } | null> {
  const { rows } = await sql<{ is_new: boolean }>`
    with before as (select instance_nonce as nonce from agents where id = ${agentId})
    update agents set instance_store = ${store}, instance_start = ${startNumber}, instance_nonce = ${nonce},
      instance_seen_at = clock_timestamp()
    where id = ${agentId} and deleted_at is null and (
      instance_store is null
      or instance_seen_at < clock_timestamp() - make_interval(secs => ${silentSeconds})
      or (instance_store = ${store}
        and (instance_start < ${startNumber} or (instance_start = ${startNumber} and instance_nonce = ${nonce}))))
    returning (select before.nonce from before) is distinct from ${nonce} as is_new`.execute(db);
  return rows[0] === undefined ? null : { isNew: rows[0].is_new };
}
