import type { Generated, JSONColumnType } from 'kysely';
import type {
  Creator,
  DependencyReaction,
  Environment,
  ExecutionMode,
  Limits,
  Progress,
  Sandbox,
  Status,
  StopReason,
  TaskSource,
} from '../../domain/task.ts';
import type { JsonOf, JsonOrNull, Time } from './columns.ts';

/* Tasks, and what they wait for. */

export type TasksTable = {
  id: string;
  title: string;
  body: string | null;
  created_by: JsonOf<Creator>;
  template: string | null;
  command: string[];
  input: string | null;
  environment: JsonOf<Environment>;
  requires: string[];
  repository: string | null;
  source: JsonOrNull<TaskSource>;
  delivery_id: string | null;
  timeout_seconds: number;
  priority: number;
  rank: number;
  lane: number;
  requested_mode: ExecutionMode;
  execution_mode: ExecutionMode;
  status: Status;
  ready: boolean;
  ready_at: Time | null;
  due_at: Time | null;
  run_after: Time | null;
  named_agent_id: string | null;
  assigned_agent_id: string | null;
  assigned_at: Time | null;
  attempt_id: string | null;
  attempts: Generated<number>;
  lease_expires_at: Time | null;
  holder: string | null;
  progress: JsonOrNull<Progress>;
  stop_reason: StopReason | null;
  stop_detail: string | null;
  stop_asked_at: Time | null;
  repeatable: boolean;
  preemptible: boolean;
  max_retries: number;
  retries: Generated<number>;
  max_infra_retries: number;
  infra_retries: Generated<number>;
  retry_delay_seconds: number;
  version: Generated<number>;
  event_n: number;
  event_hash: string;
  created_at: Time;
  updated_at: Time;
  finished_at: Time | null;
  limits: JsonOrNull<Limits>;
  sandbox: Generated<Sandbox>;
  output_schema: JSONColumnType<object | null, string | null, string | null>;
  input_bytes: Buffer | null;
  created_hash: string | null;
  depends_on: Generated<string[]>;
  unmet_dependencies: Generated<number>;
  on_dependency_failure: Generated<DependencyReaction>;
  has_dependants: Generated<boolean>;
  requires_approval: Generated<boolean>;
  approved_at: Time | null;
  concurrency_key: string | null;
  preemptions: Generated<number>;
  stop_for: string | null;
  has_log: Generated<boolean>;
  named_at: Time | null;
};

export type TaskDependenciesTable = { task_id: string; depends_on: string; met: Generated<boolean> };
export type FinishedDependenciesTable = { task_id: string; told_up_to: string | null };
export type ConcurrencyTable = { key: string; task_id: string };
export type IdempotencyKeysTable = {
  principal: string;
  key: string;
  body_hash: string;
  task_ids: string[];
  created_at: Generated<Time>;
};
