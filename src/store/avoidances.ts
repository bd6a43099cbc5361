import type { Transaction } from 'kysely';
import type { Database } from './schema.ts';

/** Where a task failed counts no more: a person wants it tried again. */
export async function forgetAvoidances(trx: Transaction<Database>, taskId: string): Promise<void> {
  await trx.deleteFrom('avoidances').where('task_id', '=', taskId).execute();
}
