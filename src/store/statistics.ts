import { type Kysely, sql, type Transaction } from 'kysely';
import { CLASS_GROWTH, type ClassCount, type Ends, type EndsByKey, LEAST_SECONDS } from '../domain/statistics.ts';
import type { Database } from './schema.ts';

type Db = Kysely<Database>;
type Trx = Transaction<Database>;

/** Up to which event of the feed everything is counted. */
export async function countedUpTo(db: Db): Promise<number> {
  const row = await db.selectFrom('statistics_position').select('sequence').executeTakeFirstOrThrow();
  return row.sequence;
}

/** The same, locked: who counts stand in line. Read by a statement after the one that waited for the lock. */
export async function lockCountedUpTo(trx: Trx): Promise<number> {
  await sql`select 1 from statistics_position for update`.execute(trx);
  return countedUpTo(trx);
}

export async function setCountedUpTo(trx: Trx, sequence: number): Promise<void> {
  await trx.updateTable('statistics_position').set({ sequence }).execute();
}

const classOf = (seconds: ReturnType<typeof sql>) => sql`
  floor(ln(greatest(extract(epoch from ${seconds})::float8, ${LEAST_SECONDS}) / ${LEAST_SECONDS}) / ln(${CLASS_GROWTH}::float8))::int`;

/**
 * Adds the ends of tasks that these events tell of. A task that waits again after it had ended is counted each time
 * that it ends; of a task that is gone meanwhile only how it ended. All events are counted by type.
 */
export async function countEnds(trx: Trx, after: number, upTo: number): Promise<void> {
  await sql`
    with seen as (
      insert into event_counts as c (type, events)
      select type, count(*) from events where sequence > ${after} and sequence <= ${upTo} group by type
      on conflict (type) do update set events = c.events + excluded.events),
    told as materialized (
      select e.task_id, e.attempt_id, e.type, e.text::jsonb as text from events e
      where e.sequence > ${after} and e.sequence <= ${upTo} and e.type in ('completed', 'failed', 'cancelled')),
    ended as materialized (
      select date_trunc('hour', (told.text ->> 'at')::timestamptz) as hour, told.type, t.template, t.repository,
        a.agent_id, a.leased_at - t.ready_at as wait, a.finished_at - coalesce(a.started_at, a.leased_at) as duration,
        (a.usage ->> 'cost_usd')::float8 as cost, (a.usage ->> 'input_tokens')::float8 as input,
        (a.usage ->> 'output_tokens')::float8 as output
      from told left join tasks t on t.id = told.task_id left join attempts a on a.id = told.attempt_id
      where told.text ->> 'to_status' = told.type),
    keyed as (
      select ended.*, k.dimension, k.key from ended cross join lateral (values
        ('all', ''), ('template', template), ('repository', repository), ('agent', agent_id)) as k(dimension, key)
      where k.key is not null),
    counted as (
      insert into statistics as s (hour, dimension, key, completed, failed, cancelled, cost_usd, input_tokens, output_tokens)
      select hour, dimension, key, count(*) filter (where type = 'completed'), count(*) filter (where type = 'failed'),
        count(*) filter (where type = 'cancelled'), coalesce(sum(cost), 0), coalesce(sum(input), 0),
        coalesce(sum(output), 0)
      from keyed group by hour, dimension, key
      on conflict (hour, dimension, key) do update set
        completed = s.completed + excluded.completed, failed = s.failed + excluded.failed,
        cancelled = s.cancelled + excluded.cancelled, cost_usd = s.cost_usd + excluded.cost_usd,
        input_tokens = s.input_tokens + excluded.input_tokens, output_tokens = s.output_tokens + excluded.output_tokens)
    insert into statistics_times as s (hour, measure, class, tasks)
    select hour, m.measure, ${classOf(sql`m.took`)}, count(*)
    from ended cross join lateral (values ('wait', wait), ('duration', duration)) as m(measure, took)
    where m.took is not null
    group by 1, 2, 3
    on conflict (hour, measure, class) do update set tasks = s.tasks + excluded.tasks`.execute(trx);
}

export type Range = { from: string; to: string };

/** Whole hours that hold a range, as far as there is any time yet; without its begin, so many days up to its end. */
export async function wholeHours(
  db: Db,
  from: string | null,
  to: string | null,
  days: number,
): Promise<Range & { until: string }> {
  const { rows } = await sql<Range & { until: string }>`
    select date_trunc('hour', coalesce(${from}::timestamptz, x.to - make_interval(days => ${days}))) as from,
      least(x.next, greatest(now(), x.to)) as to, x.next as until
    from (
      select t.to, date_trunc('hour', t.to + interval '1 hour' - interval '1 microsecond') as next
      from (select coalesce(${to}::timestamptz, now()) as to) t) x`.execute(db);
  return rows[0] ?? { from: '', to: '', until: '' };
}

export type EndsRow = EndsByKey & { dimension: 'template' | 'repository' | 'agent' };

export async function endsByKey(db: Db, from: string, until: string): Promise<EndsRow[]> {
  const { rows } = await sql<EndsRow>`
    select dimension, key, sum(completed)::int as completed, sum(failed)::int as failed, sum(cancelled)::int as cancelled,
      sum(cost_usd) as "costUsd", sum(input_tokens) as "inputTokens", sum(output_tokens) as "outputTokens"
    from statistics where hour >= ${from}::timestamptz and hour < ${until}::timestamptz and dimension <> 'all'
    group by dimension, key order by sum(completed + failed + cancelled) desc, key`.execute(db);
  return rows;
}

export async function endsByDay(db: Db, from: string, until: string): Promise<(Ends & { day: string })[]> {
  const { rows } = await sql<Ends & { day: string }>`
    select to_char(hour, 'YYYY-MM-DD') as day, sum(completed)::int as completed, sum(failed)::int as failed,
      sum(cancelled)::int as cancelled
    from statistics where hour >= ${from}::timestamptz and hour < ${until}::timestamptz and dimension = 'all'
    group by 1 order by 1`.execute(db);
  return rows;
}

export type TimesRow = ClassCount & { day: string; measure: 'wait' | 'duration' };

export async function timesByDay(db: Db, from: string, until: string): Promise<TimesRow[]> {
  const { rows } = await sql<TimesRow>`
    select to_char(day, 'YYYY-MM-DD') as day, measure, class, tasks from (
      select date_trunc('day', hour) as day, measure, class, sum(tasks)::int as tasks
      from statistics_times where hour >= ${from}::timestamptz and hour < ${until}::timestamptz
      group by 1, 2, 3) t`.execute(db);
  return rows;
}

/** How long the task has waited that was made first of those that wait; null if none does. */
export async function oldestPendingSeconds(db: Db): Promise<number | null> {
  const { rows } = await sql<{ seconds: number | null }>`
    select extract(epoch from clock_timestamp() - (
      select created_at from tasks where status = 'pending' order by created_at, id limit 1))::float8 as seconds`.execute(
    db,
  );
  return rows[0]?.seconds ?? null;
}

export async function eventCounts(db: Db): Promise<Map<string, number>> {
  const rows = await db.selectFrom('event_counts').selectAll().orderBy('type').execute();
  return new Map(rows.map((row) => [row.type, row.events]));
}
