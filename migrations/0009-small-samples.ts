import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** Tables that grow with every task, so that autovacuum analyzes them again and again. */
const TABLES = ['tasks', 'attempts', 'events'];
/** Their indexes of expressions, which are sampled for themselves, with the place of the expression. */
const EXPRESSIONS = { tasks_in_queue: 1, tasks_of_repository: 1 };
/** PostgreSQL reads 300 rows for each; its own is 100. */
const TARGET = sql.lit(10);

/**
 * Smaller samples for the planner, which needs no better ones here. To analyze 30,000 rows of `tasks` takes seconds, and
 * the snapshot of that keeps what is claimed meanwhile in the index that claims read. Whatever has the largest target
 * decides for its table, so what is added later needs this one too.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of TABLES) {
    const { rows } = await sql<{ name: string }>`
      select attname as name from pg_attribute
      where attrelid = ${table}::regclass and attnum > 0 and not attisdropped`.execute(db);
    const each = rows.map(({ name }) => sql`alter column ${sql.ref(name)} set statistics ${TARGET}`);
    await sql`alter table ${sql.table(table)} ${sql.join(each)}`.execute(db);
  }
  for (const [index, place] of Object.entries(EXPRESSIONS))
    await sql`alter index ${sql.table(index)} alter column ${sql.lit(place)} set statistics ${TARGET}`.execute(db);
}
