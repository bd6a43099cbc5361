import type { Generated } from 'kysely';
import type { EventType } from '../../domain/event.ts';
import type { Time } from './columns.ts';

/* What happened, and what was counted of it. */

export type EventsTable = {
  sequence: Generated<number>;
  task_id: string;
  n: number;
  attempt_id: string | null;
  type: EventType;
  text: string;
  hash: string;
  xact: Generated<string>;
};

export type AuditTable = { day: string; n: number; text: string; hash: string };

export type PrunedTasksTable = { task_id: string; events: number; last_hash: string; pruned_at: Generated<Time> };

export type StatisticsTable = {
  hour: Time;
  dimension: 'all' | 'template' | 'repository' | 'agent';
  key: string;
  completed: number;
  failed: number;
  cancelled: number;
  cost_usd: number;
  input_tokens: number;
  output_tokens: number;
};
export type StatisticsTimesTable = { hour: Time; measure: 'wait' | 'duration'; class: number; tasks: number };
export type EventCountsTable = { type: string; events: number };
export type StatisticsPositionTable = { only_row: Generated<boolean>; sequence: number };
