import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from './schema.ts';

/** What all replicas of one database share, made once with it. `secret` is where signing keys are derived from. */
export type Installation = { id: string; generation: number; secret: Buffer };

/**
 * Adds the one row of a new database, and locks it in any case: whoever else makes something once waits for this
 * transaction to end.
 */
export async function lockInstallation(
  trx: Transaction<Database>,
  made: Pick<Installation, 'id' | 'secret'>,
): Promise<void> {
  await trx
    .insertInto('installation')
    .values(made)
    .onConflict((conflict) => conflict.column('only_row').doNothing())
    .execute();
  await sql`select 1 from installation for update`.execute(trx);
}

export async function readInstallation(db: Kysely<Database>): Promise<Installation> {
  return db.selectFrom('installation').select(['id', 'generation', 'secret']).executeTakeFirstOrThrow();
}
