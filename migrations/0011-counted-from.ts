import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/**
 * From where on the attempts of an agent are to be counted that take its places. For itself: who locked attempts and
 * agents in one transaction would stand in the way of those who lock them the other way round.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table agents
      -- all its attempts with a lower number are settled
      add column counted_from bigint not null default 0`.execute(db);
}
