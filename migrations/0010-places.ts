import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/**
 * From where on the attempts of an agent are to be counted that take its places: see docs/adr/0019. Attempts that are
 * settled already get no number, so that the table isn't written anew.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- in the order in which attempts were given out: for one agent also that of the transactions, which lock its row
    create sequence attempts_sequence as bigint`.execute(db);
  await sql`alter table attempts add column sequence bigint`.execute(db);
  await sql`
    alter table attempts alter column sequence set default nextval('attempts_sequence'),
      alter column sequence set statistics 10`.execute(db);
  await sql`alter sequence attempts_sequence owned by attempts.sequence`.execute(db);
  await sql`update attempts set sequence = default where not settled`.execute(db);
  await sql`drop index attempts_unsettled`.execute(db);
  await sql`create index attempts_unsettled on attempts (agent_id, sequence) where not settled`.execute(db);
  await sql`
    alter table agents
      -- all its attempts with a lower number are settled
      add column counted_from bigint not null default 0`.execute(db);
}
