import { type Kysely, sql, type Transaction, type Updateable } from 'kysely';
import { type EventType, eventHash, eventText } from '../domain/event.ts';
import type { Actor, Status } from '../domain/task.ts';
import type { Database, TaskRow } from './schema.ts';

type Trx = Transaction<Database>;

/** The time of the database, RFC 3339 with microseconds. Read after a lock it is later than what the lock waited for. */
export async function databaseTime(db: Kysely<Database>): Promise<string> {
  const { rows } = await sql<{ at: string }>`select clock_timestamp() as at`.execute(db);
  return rows[0]?.at ?? '';
}

/** The row as it stands, locked until the transaction ends; `at` is read after the lock was had. */
export type LockedTask = TaskRow & { at: string };

export async function lockTask(trx: Trx, id: string): Promise<LockedTask | null> {
  const locked = await trx.selectFrom('tasks').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  return locked === undefined ? null : { ...locked, at: await databaseTime(trx) };
}

/** Locks the task of an attempt. The attempt need not be the current one: the caller compares. */
export async function lockTaskOfAttempt(trx: Trx, attemptId: string): Promise<LockedTask | null> {
  const attempt = await trx.selectFrom('attempts').select('task_id').where('id', '=', attemptId).executeTakeFirst();
  return attempt === undefined ? null : lockTask(trx, attempt.task_id);
}

export type Happening = {
  type: EventType;
  actor: Actor;
  attemptId?: string | null;
  data?: Parameters<typeof eventText>[0]['data'];
};

export type TaskPatch = Omit<Updateable<Database['tasks']>, 'id' | 'event_n' | 'event_hash' | 'updated_at'>;

/** The event as it will stand in the chain after `head`. */
export function nextEvent(
  head: { taskId: string; n: number; hash: string | null; status: Status | null },
  happening: Happening,
  at: string,
  toStatus: Status | null,
): { n: number; text: string; hash: string } {
  const changed = toStatus !== null && toStatus !== head.status;
  const text = eventText({
    taskId: head.taskId,
    n: head.n + 1,
    attemptId: happening.attemptId ?? null,
    at,
    type: happening.type,
    actor: happening.actor,
    fromStatus: changed ? head.status : null,
    toStatus: changed ? toStatus : null,
    data: happening.data ?? {},
  });
  return { n: head.n + 1, text, hash: eventHash(head.hash, text) };
}

/**
 * Changes a locked task and writes the event of the change, in one statement. The WHERE names what was read: should
 * the row be another one all the same, nothing is written and the answer is false.
 */
export async function changeTask(trx: Trx, task: LockedTask, patch: TaskPatch, happening: Happening): Promise<boolean> {
  const event = nextEvent(
    { taskId: task.id, n: task.event_n, hash: task.event_hash, status: task.status },
    happening,
    task.at,
    patch.status ?? null,
  );
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
