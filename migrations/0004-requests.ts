import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** What a dequeue took that is repeated is looked for, be it over or not. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index attempts_of_request on attempts (agent_id, request_id) where request_id is not null`.execute(db);
}
