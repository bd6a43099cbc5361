import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** Replicas with different files, or that see a host differently, don't undo what the others say. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table replicas
      -- the hosts of its configuration file
      add host_ids text[] not null default '{}'`.execute(db);
  await sql`
    alter table agents
      -- the replica that a host answered last
      add seen_by uuid`.execute(db);
}
