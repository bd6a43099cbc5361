import { createHash } from 'node:crypto';
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

/** The text that is hashed and stored, so that anyone can check the chain without knowing how it was made. */
export const eventText = (event: TaskEvent): string =>
  canonicalJson({
    task_id: event.taskId,
    n: event.n,
    attempt_id: event.attemptId,
    at: event.at,
    type: event.type,
    actor: { kind: event.actor.kind, id: event.actor.id },
    from_status: event.fromStatus,
    to_status: event.toStatus,
    data: event.data,
  });

/** SHA-256 in lower-case hex over the hash of the event before (empty for the first) and this event's text. */
export const eventHash = (previousHash: string | null, text: string): string =>
  createHash('sha256')
    .update(previousHash ?? '')
    .update(text)
    .digest('hex');
