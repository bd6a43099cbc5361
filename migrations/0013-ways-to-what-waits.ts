import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/**
 * While tasks came that no statistics tell of, every index that may be used for a statement looks alike, and the planner
 * has taken those of all pending tasks. So these ask for `finished_at` instead of `status`, as no other index does: for
 * what goes by them there is one way.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop index tasks_due`.execute(db);
  await sql`create index tasks_due on tasks (due_at) where due_at is not null and finished_at is null`.execute(db);
  await sql`drop index tasks_waiting_for_key`.execute(db);
  await sql`
    create index tasks_waiting_for_key on tasks (concurrency_key, rank, id)
    where concurrency_key is not null and finished_at is null and not ready
      and due_at is null and unmet_dependencies = 0 and (not requires_approval or approved_at is not null)`.execute(db);
}
