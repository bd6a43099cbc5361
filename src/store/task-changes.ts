import { type Kysely, type RawBuilder, sql, type Transaction, type Updateable } from 'kysely';
import { type EventType, eventHash, eventText, type TaskEvent } from '../domain/event.ts';
import type { Actor, Status } from '../domain/task.ts';
import { onlyRow } from './answers.ts';
import type { Database, TaskRow } from './schema.ts';
import { inOrder } from './transact.ts';

type Trx = Transaction<Database>;

/** The time of the database, RFC 3339 with microseconds. Read after a lock it is later than what the lock waited for. */
export async function databaseTime(db: Kysely<Database>): Promise<string> {
  const { rows } = await sql<{ at: string }>`select clock_timestamp() as at`.execute(db);
  return onlyRow(rows).at;
}

/** Texts that may be large, and that no change of a task asks for. */
const HEAVY = ['body', 'input', 'input_bytes'] as const satisfies readonly (keyof TaskRow)[];
export type Heavy = (typeof HEAVY)[number];
/** The row as it stands, locked until the transaction ends; `at` is read after the lock was had. */
export type LockedTask = Omit<TaskRow, Heavy> & { at: string };

const LIGHT = [
  'id',
  'title',
  'created_by',
  'template',
  'command',
  'environment',
  'requires',
  'repository',
  'source',
  'delivery_id',
  'timeout_seconds',
  'priority',
  'rank',
  'lane',
  'requested_mode',
  'execution_mode',
  'status',
  'ready',
  'ready_at',
  'due_at',
  'run_after',
  'named_agent_id',
  'assigned_agent_id',
  'assigned_at',
  'attempt_id',
  'attempts',
  'lease_expires_at',
  'holder',
  'progress',
  'stop_reason',
  'stop_detail',
  'stop_asked_at',
  'repeatable',
  'preemptible',
  'max_retries',
  'retries',
  'max_infra_retries',
  'infra_retries',
  'retry_delay_seconds',
  'version',
  'event_n',
  'event_hash',
  'created_at',
  'updated_at',
  'finished_at',
  'limits',
  'sandbox',
  'output_schema',
  'created_hash',
  'depends_on',
  'unmet_dependencies',
  'on_dependency_failure',
  'has_dependants',
  'requires_approval',
  'approved_at',
  'concurrency_key',
  'preemptions',
  'stop_for',
  'has_log',
  'named_at',
] as const satisfies readonly (keyof Omit<TaskRow, Heavy>)[];
/** The compiler sees that none is missing. */
const COMPLETE: Exclude<keyof Omit<TaskRow, Heavy>, (typeof LIGHT)[number]> extends never ? typeof LIGHT : never =
  LIGHT;
/** Written out once: a statement of so many names would else take longer to put together than to carry out. */
const list = (names: readonly string[]) => sql.raw(names.map((name) => `"${name}"`).join(', '));
export const LIGHT_COLUMNS = list(COMPLETE);
/** All but the rank, which the database computes. */
export const UNRANKED_COLUMNS = list([...COMPLETE, ...HEAVY].filter((name) => name !== 'rank'));

export async function lockTask(trx: Trx, id: string): Promise<LockedTask | null> {
  const [locked] = await lockTasks(trx, [id]);
  return locked ?? null;
}

/** The same for several, locked in the order of their ids, as by everybody who locks many. */
export const lockTasks = (trx: Trx, ids: readonly string[]): Promise<LockedTask[]> =>
  lockThese(trx, sql`${ids}::uuid[]`);

/** Whose attempt it must be for its task to be locked: null for anybody's. */
export type Claimed = { attemptId: string; agentId: string | null };

/** Locks the tasks of those of these attempts that are whose they are said to be. They need not be the current ones. */
export const lockTasksOfAttempts = (trx: Trx, claimed: readonly Claimed[]): Promise<LockedTask[]> =>
  lockThese(
    trx,
    sql`array(
      select a.task_id
      from unnest(${claimed.map((one) => one.attemptId)}::uuid[], ${claimed.map((one) => one.agentId)}::text[])
        x(id, agent_id)
      join attempts a on a.id = x.id and a.agent_id = coalesce(x.agent_id, a.agent_id))`,
  );

async function lockThese(trx: Trx, ids: RawBuilder<unknown>): Promise<LockedTask[]> {
  const [{ rows }, at] = await inOrder(
    sql<Omit<LockedTask, 'at'>>`
      select ${LIGHT_COLUMNS} from tasks where id = any(${ids}) order by id for update`.execute(trx),
    databaseTime(trx),
  );
  return rows.map((row) => ({ ...row, at }));
}

/** Locks the task of an attempt. The attempt need not be the current one: the caller compares. */
export async function lockTaskOfAttempt(trx: Trx, attemptId: string): Promise<LockedTask | null> {
  const [locked] = await lockTasksOfAttempts(trx, [{ attemptId, agentId: null }]);
  return locked ?? null;
}

export type Happening = {
  type: EventType;
  actor: Actor;
  attemptId?: string | null;
  data?: Parameters<typeof eventText>[0]['data'];
};

export type TaskPatch = Omit<Updateable<Database['tasks']>, 'id' | 'event_n' | 'event_hash' | 'updated_at'>;

/** Where the chain of a task ends, and its status there. */
export type ChainHead = { taskId: string; n: number; hash: string | null; status: Status | null };

export const headOf = (task: Pick<TaskRow, 'id' | 'event_n' | 'event_hash' | 'status'>): ChainHead => ({
  taskId: task.id,
  n: task.event_n,
  hash: task.event_hash,
  status: task.status,
});

/** The event as it will stand in the chain after `head`. */
export function nextEvent(
  head: ChainHead,
  happening: Happening,
  at: string,
  toStatus: Status | null,
): { n: number; text: string; hash: string } {
  const event = eventAfter(head, happening, toStatus);
  const text = eventText({ ...event, at });
  return { n: event.n, text, hash: eventHash(head.hash, text) };
}

/**
 * Of events that are `given` with their text around the time and the hash before them: `x`, the same with the time of the
 * statement, their whole text and their hash. Whoever has locked what they change needn't ask for the time before.
 */
export const TOLD_NOW = sql.raw(`
    clock as materialized (select clock_timestamp() as at),
    told as (
      select given.*, at, before || to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || after as text from given, clock),
    x as materialized (
      select told.*, encode(sha256(convert_to(coalesce(previous, '') || text, 'UTF8')), 'hex') as hash from told)`);

/** What happened, in the chain after `head`. */
export function eventAfter(head: ChainHead, happening: Happening, toStatus: Status | null): Omit<TaskEvent, 'at'> {
  const changed = toStatus !== null && toStatus !== head.status;
  return {
    taskId: head.taskId,
    n: head.n + 1,
    attemptId: happening.attemptId ?? null,
    type: happening.type,
    actor: happening.actor,
    fromStatus: changed ? head.status : null,
    toStatus: changed ? toStatus : null,
    data: happening.data ?? {},
  };
}

/**
 * Changes a locked task and writes the event of the change, in one statement. The WHERE names what was read: should
 * the row be another one all the same, nothing is written and the answer is false.
 */
export async function changeTask(trx: Trx, task: LockedTask, patch: TaskPatch, happening: Happening): Promise<boolean> {
  const event = nextEvent(headOf(task), happening, task.at, patch.status ?? null);
  const changed = await trx
    .with('changed', (db) =>
      db
        .updateTable('tasks')
        .set({ ...patch, event_n: event.n, event_hash: event.hash, updated_at: task.at })
        .where('id', '=', task.id)
        .where('status', '=', task.status)
        .where('event_n', '=', task.event_n)
        .where(sql<boolean>`attempt_id is not distinct from ${task.attempt_id}::uuid`)
        .returning('id'),
    )
    .insertInto('events')
    .columns(['task_id', 'n', 'attempt_id', 'type', 'text', 'hash'])
    .expression((eb) =>
      eb
        .selectFrom('changed')
        .select([
          'id',
          sql<number>`${event.n}::int`.as('n'),
          sql<string | null>`${happening.attemptId ?? null}::uuid`.as('attempt_id'),
          sql<EventType>`${happening.type}`.as('type'),
          sql<string>`${event.text}`.as('text'),
          sql<string>`${event.hash}`.as('hash'),
        ]),
    )
    .executeTakeFirst();
  return (changed.numInsertedOrUpdatedRows ?? 0n) === 1n;
}

/**
 * The same change of several locked tasks, each with an event of its own, in one statement. A row that is another than
 * was read is left out.
 */
export async function changeTasks(
  trx: Trx,
  tasks: readonly LockedTask[],
  patch: TaskPatch,
  happening: Happening,
): Promise<void> {
  if (tasks.length === 0) return;
  const events = tasks.map((task) => nextEvent(headOf(task), happening, task.at, patch.status ?? null));
  const set = sql.join(Object.entries(patch).map(([name, value]) => sql`${sql.ref(name)} = ${value}`));
  await sql`
    with x as (
      select * from unnest(
        ${tasks.map(({ id }) => id)}::uuid[], ${tasks.map(({ at }) => at)}::timestamptz[],
        ${events.map(({ n }) => n)}::int[], ${events.map(({ text }) => text)}::text[],
        ${events.map(({ hash }) => hash)}::text[]) as x(id, at, n, text, hash)),
    changed as (
      update tasks t set ${set}, event_n = x.n, event_hash = x.hash, updated_at = x.at
      from x where t.id = x.id and t.event_n = x.n - 1
      returning x.*)
    insert into events (task_id, n, type, text, hash)
    select id, n, ${happening.type}, text, hash from changed`.execute(trx);
}
