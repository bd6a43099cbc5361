import { sql, type Transaction } from 'kysely';
import type { Status } from '../domain/task.ts';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

/**
 * Locks tasks that others are to depend on, in the order of their ids, and reads where they stand in a later
 * statement: either they end after this and find their dependants, or the dependants find that they have ended.
 * A task that doesn't exist is missing from the answer.
 */
export async function lockDependencies(trx: Trx, ids: readonly string[]): Promise<Map<string, Status>> {
  if (ids.length === 0) return new Map();
  await sql`select 1 from tasks where id = any(${ids}::uuid[]) order by id for no key update`.execute(trx);
  const { rows } = await sql<{ id: string; status: Status }>`
    select id, status from tasks where id = any(${ids}::uuid[])`.execute(trx);
  return new Map(rows.map((row) => [row.id, row.status]));
}

export type DependencyRow = { taskId: string; dependsOn: string; met: boolean };

/** Writes who depends on whom; whoever is depended on will tell when it ends. */
export async function insertDependencies(trx: Trx, rows: readonly DependencyRow[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    insert into task_dependencies (task_id, depends_on, met)
    select * from unnest(${rows.map((row) => row.taskId)}::uuid[], ${rows.map((row) => row.dependsOn)}::uuid[],
      ${rows.map((row) => row.met)}::boolean[])`.execute(trx);
  await sql`
    update tasks set has_dependants = true
    where id = any(${rows.map((row) => row.dependsOn)}::uuid[]) and not has_dependants`.execute(trx);
}

/** Leaves word that these ended: their dependants are told soon, in steps, see `tell-dependants`. */
export async function announceFinished(trx: Trx, taskIds: readonly string[]): Promise<void> {
  if (taskIds.length === 0) return;
  await sql`
    insert into finished_dependencies (task_id)
    select * from unnest(${[...taskIds].sort()}::uuid[])
    on conflict (task_id) do update set told_up_to = null`.execute(trx);
}
