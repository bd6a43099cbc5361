import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** Phase 2 looks once a second for undecided tasks that have been ready for long, whatever else waits in their lane. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index tasks_undecided on tasks (lane, ready_at)
    where status = 'pending' and ready and execution_mode = 'undecided'`.execute(db);
}
