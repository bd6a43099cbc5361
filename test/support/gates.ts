import { type Kysely, sql } from 'kysely';
import { openGates } from '../../src/store/gates.ts';
import type { Database } from '../../src/store/schema.ts';
import { changeTask, lockTask } from '../../src/store/task-changes.ts';
import { alice } from './tasks.ts';

/** Opens the gate of approval, as whoever approves does. */
export async function approved(db: Kysely<Database>, id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, id);
    if (task === null) throw new Error(`there is no task ${id}`);
    await changeTask(
      trx,
      task,
      { approved_at: task.at, version: task.version + 1 },
      { type: 'approved', actor: alice },
    );
    await openGates(trx, [id]);
  });
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
