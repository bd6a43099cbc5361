import { sql, type Transaction } from 'kysely';
import { onlyRow } from './answers.ts';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

/**
 * Writes for each of these dependencies of a task, all of them locked, whether it is met; one that isn't given, because
 * it was pruned, keeps what is stored. Answers how many are unmet then.
 */
export async function recountDependencies(
  trx: Trx,
  taskId: string,
  standing: ReadonlyMap<string, boolean>,
): Promise<number> {
  await sql`
    update task_dependencies d set met = x.met
    from unnest(${[...standing.keys()]}::uuid[], ${[...standing.values()]}::boolean[]) as x(depends_on, met)
    where d.task_id = ${taskId} and d.depends_on = x.depends_on and d.met <> x.met`.execute(trx);
  const { rows } = await sql<{ unmet: number }>`
    select count(*)::int as unmet from task_dependencies where task_id = ${taskId} and not met`.execute(trx);
  return onlyRow(rows).unmet;
}
