import { hash } from 'node:crypto';
import { canonicalJson, type Json } from './canonical-json.ts';
import type { Actor, Status } from './task.ts';

export const EVENT_TYPES = [
  'created',
  'changed',
  'mode_decided',
  'agent_named',
  'agent_unnamed',
  'approved',
  'assigned',
  'started',
  'reattached',
  'cancel_requested',
  'lease_lost',
  'preempted',
  'released',
  'retried',
  'authorized',
  'pull_request_opened',
  'late_result',
  'dependency_met',
  'dependency_failed',
  'completed',
  'failed',
  'cancelled',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** One change of a task. `at` is the database's time in RFC 3339 with six digits of the second. */
export type TaskEvent = {
  taskId: string;
  n: number;
  attemptId: string | null;
  at: string;
  type: EventType;
  actor: Actor;
  fromStatus: Status | null;
  toStatus: Status | null;
  data: { readonly [key: string]: Json };
};

const text = JSON.stringify as (value: string | null) => string;

/**
 * The text that is hashed and stored, so that anyone can check the chain without knowing how it was made: the canonical
 * JSON of the event, its keys in their order. Written out here because every change of a task makes one.
 */
export function eventText(event: TaskEvent): string {
  const [before, after] = eventTextAround(event);
  return before + event.at + after;
}

/** The same before and after the time, where the database puts in its own as it writes the event. */
export const eventTextAround = ({
  actor,
  attemptId,
  data,
  fromStatus,
  n,
  taskId,
  toStatus,
  type,
}: Omit<TaskEvent, 'at'>): [before: string, after: string] => [
  `{"actor":{"id":${text(actor.id)},"kind":"${actor.kind}"},"at":"`,
  `","attempt_id":${text(attemptId)},"data":${canonicalJson(data)},"from_status":${text(fromStatus)},"n":${n},` +
    `"task_id":"${taskId}","to_status":${text(toStatus)},"type":"${type}"}`,
];

/** SHA-256 in lower-case hex over the hash of the event before (empty for the first) and this event's text. */
export const eventHash = (previousHash: string | null, text: string): string =>
  hash('sha256', (previousHash ?? '') + text);
