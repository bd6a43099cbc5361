import { type Kysely, sql } from 'kysely';
import type { Database } from '../../src/store/schema.ts';
import { findTask } from '../../src/store/tasks.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { approveTask } from '../../src/usecases/task/approve-task.ts';
import { alice } from './tasks.ts';

/** Opens the gate of approval. */
export async function approved(deps: Deps, id: string): Promise<void> {
  const task = await findTask(deps.db, id);
  await approveTask(deps, alice, id, [task?.version ?? 0]);
}

/** As if the time that these wait for had come. */
export const letTimePass = (db: Kysely<Database>, ids: readonly string[]) =>
  sql`update tasks set due_at = now() - interval '1 second' where id = any(${ids}::uuid[]) and due_at is not null`.execute(
    db,
  );

/** Who holds a key. */
export async function holderOf(db: Kysely<Database>, key: string): Promise<string | null> {
  const row = await db.selectFrom('concurrency').select('task_id').where('key', '=', key).executeTakeFirst();
  return row?.task_id ?? null;
}
