import { sql, type Transaction } from 'kysely';
import { onlyRow } from './answers.ts';
import type { Database } from './schema.ts';

const REPOSITORIES_LOCK = 0x7265706f; // "repo"

/**
 * Until the end of the transaction nobody else counts the tasks of this repository. To be counted in a later statement:
 * this one waits, and then doesn't see what it waited for.
 */
export async function lockRepository(trx: Transaction<Database>, repository: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(${REPOSITORIES_LOCK}, hashtext(${repository}))`.execute(trx);
}

/** How many tasks of a repository have not ended, counted up to a limit. */
export async function countOpen(trx: Transaction<Database>, repository: string, limit: number): Promise<number> {
  const { rows } = await sql<{ open: number }>`
    select count(*)::int as open from (
      select from tasks
      where repository = ${repository} and status in ('pending', 'assigned', 'running')
      limit ${limit}) t`.execute(trx);
  return onlyRow(rows).open;
}
