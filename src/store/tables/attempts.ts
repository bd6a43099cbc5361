import type { Generated, JSONColumnType } from 'kysely';
import type { Proof } from '../../domain/attempt.ts';
import type { LeftProcess, Stream } from '../../domain/machine.ts';
import type { ProcessIdentity } from '../../domain/process.ts';
import type { AgentMode, Contact, FailureClass, Outcome } from '../../domain/task.ts';
import type { JsonOrNull, Time } from './columns.ts';

/* Attempts, and what they printed. */

/** The memory of a host before a start was sent, and the script that was to start the attempt. */
export type HostStore = { storeId: string; bootId: string; wrapper?: string };

export type AttemptsTable = {
  id: string;
  task_id: string;
  number: number;
  execution_mode: AgentMode;
  agent_id: string;
  request_id: string | null;
  token_hash: Buffer;
  leased_at: Time;
  started_at: Time | null;
  finished_at: Time | null;
  settled: Generated<boolean>;
  process: JsonOrNull<ProcessIdentity>;
  host_store: JsonOrNull<HostStore>;
  dead_by: Time | null;
  contact: JsonOrNull<Contact>;
  outcome: Outcome | null;
  failure_class: FailureClass | null;
  exit_code: number | null;
  signal: string | null;
  error: string | null;
  summary: string | null;
  output: JSONColumnType<object | null, string | null, string | null>;
  usage: JsonOrNull<Record<string, number>>;
  proof: Proof | null;
  left_processes: JsonOrNull<LeftProcess[]>;
  said_hash: string | null;
  late_results: Generated<unknown>;
  sequence: Generated<number>;
};

export type AttemptStreamsTable = {
  attempt_id: string;
  stream: Stream;
  total_bytes: Generated<number>;
  left_out_bytes: Generated<number>;
  stored_bytes: number | null;
  sha256: string | null;
  log_pruned: Generated<boolean>;
};

export type AttemptLogsTable = {
  attempt_id: string;
  stream: Stream;
  byte_offset: number;
  at: Generated<Time>;
  bytes: Buffer;
};

export type AvoidancesTable = { task_id: string; agent_id: string; times: number; until: Time };
