import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** What reading and deleting the old need. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await pruning(db);
}

async function pruning(db: Kysely<unknown>): Promise<void> {
  // What was written is deleted for its age; its sizes and hash are kept.
  await sql`alter table attempt_streams add log_pruned boolean not null default false`.execute(db);
  await sql`
    create index deliveries_duplicates on deliveries (duplicate_of) where duplicate_of is not null`.execute(db);
}
