import { type Kysely, sql, type Transaction } from 'kysely';
import { onlyRow } from './answers.ts';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

/** How many replicas were heard of within so many seconds. */
export async function countReplicas(db: Kysely<Database>, seconds: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from replicas
    where seen_at > clock_timestamp() - make_interval(secs => ${seconds})`.execute(db);
  return onlyRow(rows).count;
}

/** Begins the next generation; its row is locked until the transaction ends. */
export async function raiseGeneration(trx: Trx): Promise<number> {
  const { rows } = await sql<{ generation: number }>`
    update installation set generation = generation + 1 returning generation`.execute(trx);
  return onlyRow(rows).generation;
}

/** Tasks that are not final, in the order of their ids, with their open attempts. */
export async function openTasksAfter(
  trx: Trx,
  after: string,
  limit: number,
): Promise<{ id: string; attemptId: string | null }[]> {
  const { rows } = await sql<{ id: string; attemptId: string | null }>`
    select id, case when status <> 'pending' then attempt_id end as "attemptId" from tasks
    where id > ${after}::uuid and status in ('pending', 'assigned', 'running')
    order by id limit ${limit}`.execute(trx);
  return rows;
}

/** No task holds its key any more: none is ready. */
export async function freeAllKeys(trx: Trx): Promise<void> {
  await sql`delete from concurrency`.execute(trx);
}
