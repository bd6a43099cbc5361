import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** How many tasks of a repository are open is counted without reading those that have ended. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index tasks_open_of_repository on tasks (repository)
    where repository is not null and status in ('pending', 'assigned', 'running')`.execute(db);
}
