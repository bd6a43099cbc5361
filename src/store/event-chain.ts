import { sql } from 'kysely';
import { type EventType, eventHash, eventText, type TaskEvent } from '../domain/event.ts';
import type { Actor, Status } from '../domain/task.ts';
import type { TaskRow } from './schema.ts';

export type Happening = {
  type: EventType;
  actor: Actor;
  attemptId?: string | null;
  data?: Parameters<typeof eventText>[0]['data'];
};

/** Where the chain of a task ends, and its status there. */
export type ChainHead = { taskId: string; n: number; hash: string | null; status: Status | null };

export const headOf = (task: Pick<TaskRow, 'id' | 'event_n' | 'event_hash' | 'status'>): ChainHead => ({
  taskId: task.id,
  n: task.event_n,
  hash: task.event_hash,
  status: task.status,
});

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

const told = `
    told as (
      select given.*, at, before || to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || after as text from given, clock),
    x as materialized (
      select told.*, encode(sha256(convert_to(coalesce(previous, '') || text, 'UTF8')), 'hex') as hash from told)`;

/**
 * Of events that are `given` with their text around the time and the hash before them: `x`, the same with the time that
 * the `clock` shows, their whole text and their hash.
 */
export const TOLD = sql.raw(told);

/** The same at the time of the statement: whoever has locked what changes needn't ask for it before. */
export const TOLD_NOW = sql.raw(`
    clock as materialized (select clock_timestamp() as at),${told}`);
