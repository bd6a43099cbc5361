import { type Kysely, sql } from 'kysely';
import type { TaskEvent } from '../domain/event.ts';
import type { Status } from '../domain/task.ts';
import type { Database } from './schema.ts';

/** An event with its place in the whole history and its links in the chain of its task. */
export type StoredEvent = TaskEvent & { sequence: number; previousHash: string | null; hash: string };

export type EventInTable = { sequence: number; n: number; text: string; hash: string; previous_hash: string | null };
/** What the stored text holds: see `eventText`. */
type Told = {
  task_id: string;
  n: number;
  attempt_id: string | null;
  at: string;
  type: TaskEvent['type'];
  actor: TaskEvent['actor'];
  from_status: TaskEvent['fromStatus'];
  to_status: TaskEvent['toStatus'];
  data: TaskEvent['data'];
};

/** Events of a task, oldest first, after number `after`. */
export async function listEvents(
  db: Kysely<Database>,
  taskId: string,
  limit: number,
  after: number,
): Promise<StoredEvent[]> {
  const { rows } = await sql<EventInTable>`
    select e.sequence, e.n, e.text, e.hash, p.hash as previous_hash
    from events e left join events p on p.task_id = e.task_id and p.n = e.n - 1
    where e.task_id = ${taskId} and e.n > ${after}
    order by e.n limit ${limit}`.execute(db);
  return rows.map(toEvent);
}

/** What a task became by the end of an attempt, as its history tells; null: it tells of no end. */
export async function statusAfter(db: Kysely<Database>, taskId: string, attemptId: string): Promise<Status | null> {
  const { rows } = await sql<{ status: Status }>`
    select text::jsonb ->> 'to_status' as status from events
    where task_id = ${taskId} and text::jsonb ->> 'attempt_id' = ${attemptId}
      and text::jsonb ->> 'to_status' in ('pending', 'completed', 'failed', 'cancelled')
    order by n desc limit 1`.execute(db);
  return rows[0]?.status ?? null;
}

export function toEvent(row: EventInTable): StoredEvent {
  const told = JSON.parse(row.text) as Told;
  return {
    sequence: row.sequence,
    taskId: told.task_id,
    n: told.n,
    attemptId: told.attempt_id,
    at: told.at,
    type: told.type,
    actor: told.actor,
    fromStatus: told.from_status,
    toStatus: told.to_status,
    data: told.data,
    previousHash: row.previous_hash,
    hash: row.hash,
  };
}
