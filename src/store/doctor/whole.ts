import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { Decision } from '../../domain/delivery.ts';
import type { Database } from '../schema.ts';

type Trx = Transaction<Database>;

/*
 * What no task's rows can show: rows whose task is gone, deliveries, places. Walked in the order of an id, a batch a
 * statement, and each statement sees one moment: a row and what it belongs to come and go together.
 */

const BATCH = 10_000;

/** Rows of `table` whose `owner` must exist. */
export type Belonging = {
  table: string;
  owner: RawBuilder<string>;
  from: RawBuilder<unknown>;
  to: RawBuilder<unknown>;
};

const toTask = sql`select from tasks where tasks.id = o.id`;
const toAttempt = sql`select from attempts where attempts.id = o.id`;
const toTaskOrPruned = sql`
  select from tasks where tasks.id = o.id union all select from pruned_tasks where pruned_tasks.task_id = o.id`;

const belonging = (table: string, owner: string, to: RawBuilder<unknown>): Belonging => ({
  table,
  owner: sql<string>`${sql.ref(owner)}`,
  from: sql`${sql.table(table)}`,
  to,
});

/** Rows that were left over when what they belong to was deleted. */
export const LEFT_OVER: readonly Belonging[] = [
  belonging('attempts', 'task_id', toTask),
  belonging('events', 'task_id', toTask),
  belonging('avoidances', 'task_id', toTask),
  belonging('task_dependencies', 'task_id', toTask),
  belonging('finished_dependencies', 'task_id', toTask),
  belonging('concurrency', 'task_id', toTask),
  belonging('attempt_streams', 'attempt_id', toAttempt),
  belonging('attempt_logs', 'attempt_id', toAttempt),
];
/** An id that its caller chose may have been used again since. */
export const PRUNED = belonging(
  'pruned_tasks',
  'task_id',
  sql`select where not exists (
    select from tasks join pruned_tasks on pruned_tasks.task_id = tasks.id
    where tasks.id = o.id and tasks.created_at < pruned_tasks.pruned_at)`,
);
export const EFFECTS = belonging('effects', 'task_id', toTaskOrPruned);
export const IDEMPOTENCY: Belonging = {
  table: 'idempotency_keys',
  owner: sql<string>`named.id`,
  from: sql`idempotency_keys cross join unnest(idempotency_keys.task_ids) as named(id)`,
  to: toTaskOrPruned,
};

export type Page<T> = { last: string | null; found: T[] };

/** Of the next ids that rows of a table belong to, those that don't exist; `last` null at the end. */
export async function hangingAfter(
  trx: Trx,
  { owner, from, to }: Belonging,
  after: string | null,
): Promise<Page<string>> {
  const { rows } = await sql<{ last: string | null; found: string[] }>`
    with o as materialized (
      select distinct ${owner} as id from ${from}
      where ${after}::uuid is null or ${owner} > ${after}::uuid
      order by 1 limit ${BATCH})
    select (select id::text from o order by id desc limit 1) as last,
      array(select id::text from o where not exists (${to}) order by id) as found`.execute(trx);
  return rows[0] ?? { last: null, found: [] };
}

export type OddDelivery = { id: string; decision: Decision; reason: string; taskIds: string[]; missing: string[] };

/** Of the next deliveries, those without a decision, and those whose decision names tasks that never were. */
export async function oddDeliveriesAfter(trx: Trx, after: string | null): Promise<Page<OddDelivery>> {
  const { rows } = await sql<{ last: string | null; found: OddDelivery[] }>`
    with d as materialized (
      select id, decision, reason, task_ids from deliveries
      where ${after}::uuid is null or id > ${after}::uuid
      order by id limit ${BATCH}),
    told as (
      select d.*, array(
        select o.id from unnest(d.task_ids) as o(id) where not exists (${toTaskOrPruned})) as missing
      from d)
    select (select id::text from d order by id desc limit 1) as last,
      coalesce((
        select jsonb_agg(jsonb_build_object('id', id, 'decision', decision, 'reason', reason, 'taskIds', task_ids,
          'missing', missing) order by id)
        from told
        where reason = '' or missing <> '{}'
          or (decision in ('task_created', 'merged')) <> (task_ids <> '{}' or decision = 'command')
      ), '[]') as found`.execute(trx);
  return rows[0] ?? { last: null, found: [] };
}

export type Overfilled = { agentId: string; capacity: number; taken: number };

/** Agents whose open and unsettled attempts are more than their places. */
export async function overfilledAgents(trx: Trx): Promise<Overfilled[]> {
  const { rows } = await sql<Overfilled>`
    select g.id as "agentId", g.capacity, p.taken
    from (select agent_id, count(*)::int as taken from attempts where not settled group by agent_id) p
    join agents g on g.id = p.agent_id
    where p.taken > g.capacity order by g.id limit ${BATCH}`.execute(trx);
  return rows;
}
