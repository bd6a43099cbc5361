import { type Kysely, type RawBuilder, sql, type Transaction, type Updateable } from 'kysely';
import type { EventType } from '../domain/event.ts';
import { onlyRow } from './answers.ts';
import { type Happening, headOf, nextEvent } from './event-chain.ts';
import type { Database, TaskRow } from './schema.ts';
import { type Heavy, LIGHT_COLUMNS } from './task-columns.ts';
import { inOrder } from './transact.ts';

type Trx = Transaction<Database>;

/** The time of the database, RFC 3339 with microseconds. Read after a lock it is later than what the lock waited for. */
export async function databaseTime(db: Kysely<Database>): Promise<string> {
  const { rows } = await sql<{ at: string }>`select clock_timestamp() as at`.execute(db);
  return onlyRow(rows).at;
}

/** The row as it stands, locked until the transaction ends; `at` is read after the lock was had. */
export type LockedTask = Omit<TaskRow, Heavy> & { at: string };

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

export type TaskPatch = Omit<Updateable<Database['tasks']>, 'id' | 'event_n' | 'event_hash' | 'updated_at'>;

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
