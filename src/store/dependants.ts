import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { EventType } from '../domain/event.ts';
import type { DependencyReaction, Status } from '../domain/task.ts';
import { affectedRows } from './answers.ts';
import { type Happening, headOf, nextEvent } from './event-chain.ts';
import type { Database, TaskRow } from './schema.ts';

type Trx = Transaction<Database>;

/** Dependencies whose end has not been told to all dependants yet. */
export async function untoldDependencies(db: Kysely<Database>, limit: number): Promise<string[]> {
  const { rows } = await sql<{ task_id: string }>`
    select task_id from finished_dependencies order by task_id limit ${sql.lit(limit)}`.execute(db);
  return rows.map((row) => row.task_id);
}

/**
 * The first of those that still wait for this dependency and were not told that it ended. Its row in `tasks` is the
 * lock of what is read here: everybody who adds a dependant or announces an end holds it.
 */
export async function untoldDependants(db: Kysely<Database>, dependency: string, limit: number): Promise<string[]> {
  const { rows } = await sql<{ task_id: string }>`
    select d.task_id from finished_dependencies f join task_dependencies d on d.depends_on = f.task_id
    where f.task_id = ${dependency} and d.depends_on = ${dependency} and not d.met
      and d.task_id > coalesce(f.told_up_to, '00000000-0000-0000-0000-000000000000')
    order by d.task_id limit ${sql.lit(limit)}`.execute(db);
  return rows.map((row) => row.task_id);
}

/** Remembers that those up to this one were told. */
export async function markTold(trx: Trx, dependency: string, upTo: string): Promise<void> {
  await sql`update finished_dependencies set told_up_to = ${upTo} where task_id = ${dependency}`.execute(trx);
}

/** Nobody is left to be told. */
export async function forgetFinished(trx: Trx, dependency: string): Promise<void> {
  await sql`delete from finished_dependencies where task_id = ${dependency}`.execute(trx);
}

export type Dependant = Pick<
  TaskRow,
  'id' | 'status' | 'event_n' | 'event_hash' | 'has_dependants' | 'concurrency_key'
> & { on_dependency_failure: DependencyReaction };
export type Finished = { status: Status; finishedAt: string | null; at: string };

/** Where a locked dependency stands, and the time after its lock was had. */
export async function readFinished(trx: Trx, dependency: string): Promise<Finished | null> {
  const { rows } = await sql<Finished>`
    select status, finished_at as "finishedAt", clock_timestamp() as at from tasks where id = ${dependency}`.execute(
    trx,
  );
  return rows[0] ?? null;
}

/** Those of locked dependants that are pending, without the texts that may be large. */
export async function pendingDependants(trx: Trx, ids: readonly string[]): Promise<Dependant[]> {
  const { rows } = await sql<Dependant>`
    select id, status, event_n, event_hash, has_dependants, concurrency_key, on_dependency_failure
    from tasks where id = any(${ids}::uuid[]) and coalesce(status = 'pending', false) order by id`.execute(trx);
  return rows;
}

/** Of pending dependants, those whose history tells of this very failure already. */
export async function whoKnowOfFailure(
  trx: Trx,
  ids: readonly string[],
  failure: { dependency: string; finishedAt: string | null },
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const known = JSON.stringify({ data: { depends_on: failure.dependency, finished_at: failure.finishedAt } });
  const { rows } = await sql<{ task_id: string }>`
    select distinct task_id from events
    where task_id = any(${ids}::uuid[]) and type = 'dependency_failed' and text::jsonb @> ${known}::jsonb`.execute(trx);
  return new Set(rows.map((row) => row.task_id));
}

/** Flips what was not met; answers whose it was. */
export async function meetDependency(trx: Trx, dependency: string, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await sql<{ task_id: string }>`
    update task_dependencies set met = true
    where depends_on = ${dependency} and task_id = any(${ids}::uuid[]) and not met
    returning task_id`.execute(trx);
  return new Set(rows.map((row) => row.task_id));
}

/** What the same telling does to the rows of all whom it reaches. */
export const COUNT_DOWN = sql`, unmet_dependencies = unmet_dependencies - 1`;
export const UNCHANGED = sql``;
export const cancelled = (at: string, reason: string): RawBuilder<unknown> => sql`, status = 'cancelled', ready = false,
  finished_at = ${at}::timestamptz, stop_reason = 'cancel', stop_detail = ${reason}, stop_asked_at = ${at}::timestamptz`;

/**
 * Changes locked pending dependants alike and writes the events of it, for all in one statement. Should a row not be
 * as it was read, everything is taken back.
 */
export async function changeDependants(
  trx: Trx,
  dependants: readonly Dependant[],
  happenings: readonly Happening[],
  at: string,
  change: RawBuilder<unknown>,
): Promise<void> {
  if (dependants.length === 0) return;
  const events = dependants.flatMap((task) => chain(task, happenings, at));
  const heads = events.filter((event) => event.last);
  const written = await sql`
    with head as (
      select * from unnest(${heads.map((e) => e.taskId)}::uuid[], ${dependants.map((task) => task.event_n)}::int[],
        ${heads.map((e) => e.n)}::int[], ${heads.map((e) => e.hash)}::text[]) as h(id, before_n, n, hash)),
    changed as (
      update tasks set event_n = head.n, event_hash = head.hash, updated_at = ${at}::timestamptz${change}
      from head
      where tasks.id = head.id and coalesce(tasks.event_n = head.before_n and tasks.status = 'pending', false)
      returning tasks.id)
    insert into events (task_id, n, type, text, hash)
    select e.task_id, e.n, e.type, e.text, e.hash
    from unnest(${events.map((e) => e.taskId)}::uuid[], ${events.map((e) => e.n)}::int[],
      ${events.map((e) => e.type)}::text[], ${events.map((e) => e.text)}::text[],
      ${events.map((e) => e.hash)}::text[]) as e(task_id, n, type, text, hash)
    join changed on changed.id = e.task_id`.execute(trx);
  if (affectedRows(written) !== events.length) throw new Error('a locked dependant was changed by somebody else');
}

type Chained = { taskId: string; n: number; type: EventType; text: string; hash: string; last: boolean };

/** The events one after the other, each with the hash of the one before. */
function chain(task: Dependant, happenings: readonly Happening[], at: string): Chained[] {
  let head = headOf(task);
  return happenings.map((happening, index) => {
    const toStatus = happening.type === 'cancelled' ? 'cancelled' : null;
    const event = nextEvent(head, happening, at, toStatus);
    head = { ...head, n: event.n, hash: event.hash };
    return { taskId: task.id, type: happening.type, ...event, last: index === happenings.length - 1 };
  });
}
