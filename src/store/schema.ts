import type { Generated, JSONColumnType, Selectable } from 'kysely';
import type { StateReason } from '../domain/agent.ts';
import type { Json } from '../domain/canonical-json.ts';
import type { Decision, RuleVerdict } from '../domain/delivery.ts';
import type { EventType } from '../domain/event.ts';
import type { Stream } from '../domain/machine.ts';
import type { AgentPolicy } from '../domain/may-run.ts';
import type { ProcessIdentity } from '../domain/process.ts';
import type {
  AgentMode,
  Contact,
  Creator,
  DependencyReaction,
  Environment,
  ExecutionMode,
  FailureClass,
  Limits,
  Outcome,
  Progress,
  Sandbox,
  Status,
  StopReason,
  TaskSource,
} from '../domain/task.ts';
import type { Scope } from '../domain/token.ts';

/** A JSON column: read as the value, written as its text. */
type JsonOf<T> = JSONColumnType<T & object, string, string>;
type JsonOrNull<T> = JSONColumnType<(T & object) | null, string | null, string | null>;
/** RFC 3339 in UTC with six digits of the second, in both directions. */
type Time = string;

export type HostStore = { storeId: string; bootId: string };
export type LeftProcess = { pid: number; command: string };

type InstallationTable = {
  only_row: Generated<boolean>;
  id: string;
  generation: Generated<number>;
  secret: Buffer;
  ageing_seconds_per_level: number | null;
  reranked_up_to: string | null;
  created_at: Generated<Time>;
};

type BeatTable = { only_row: Generated<boolean>; at: Time; previous_at: Time; up_since: Time };

type ReplicasTable = {
  id: string;
  boot_id: string;
  pid_namespace: string;
  pid: number;
  process_started_at: string;
  started_at: Generated<Time>;
  seen_at: Generated<Time>;
};

type AgentsTable = {
  id: string;
  name: string;
  execution_mode: AgentMode;
  labels: string[];
  capacity: number;
  online: Generated<boolean>;
  state_reason: JsonOrNull<StateReason>;
  cordoned: Generated<boolean>;
  cordon_reason: string | null;
  draining: Generated<boolean>;
  says_draining: string | null;
  version: string | null;
  metrics: JsonOrNull<Record<string, Json>>;
  last_seen_at: Time | null;
  created_at: Generated<Time>;
  deleted_at: Time | null;
  limits: string[] | null;
  sandboxes: string[] | null;
  policy: JsonOrNull<AgentPolicy>;
  own_failures: Generated<string[]>;
  isolated_at: Time | null;
};

type TokensTable = {
  id: string;
  name: string;
  scope: Scope;
  hash: Buffer;
  agent_id: string | null;
  expires_at: Time | null;
  last_used_at: Time | null;
  created_at: Generated<Time>;
  revoked_at: Time | null;
};

type LanesTable = {
  id: Generated<number>;
  requires: string[];
  repository: string | null;
  agent_id: string | null;
  host_matched_at: Time | null;
};

type TasksTable = {
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

type TaskDependenciesTable = { task_id: string; depends_on: string; met: Generated<boolean> };
type FinishedDependenciesTable = { task_id: string; told_up_to: string | null };
type ConcurrencyTable = { key: string; task_id: string };
type IdempotencyKeysTable = {
  principal: string;
  key: string;
  body_hash: string;
  task_ids: string[];
  created_at: Generated<Time>;
};
type PrunedTasksTable = { task_id: string; events: number; last_hash: string; pruned_at: Generated<Time> };

type AttemptsTable = {
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
  proof: 'empty' | 'left' | 'unknown' | null;
  left_processes: JsonOrNull<LeftProcess[]>;
  said_hash: string | null;
  late_results: Generated<unknown>;
};

type AttemptStreamsTable = {
  attempt_id: string;
  stream: Stream;
  total_bytes: Generated<number>;
  left_out_bytes: Generated<number>;
  stored_bytes: number | null;
  sha256: string | null;
  log_pruned: Generated<boolean>;
};

type AttemptLogsTable = {
  attempt_id: string;
  stream: Stream;
  byte_offset: number;
  at: Generated<Time>;
  bytes: Buffer;
};

type AvoidancesTable = { task_id: string; agent_id: string; times: number; until: Time };

type EventsTable = {
  sequence: Generated<number>;
  task_id: string;
  n: number;
  attempt_id: string | null;
  type: EventType;
  text: string;
  hash: string;
  xact: Generated<string>;
};

type DeliveriesTable = {
  id: string;
  forge: string;
  forge_uuid: string | null;
  event_type: string;
  action: string | null;
  repository: string | null;
  sender: string | null;
  received_at: Generated<Time>;
  headers: JsonOf<Record<string, string>>;
  body: Buffer;
  body_hash: Buffer;
  decision: Decision;
  reason: string;
  rules: JsonOf<RuleVerdict[]>;
  facts: JsonOf<Record<string, Json>>;
  task_ids: string[];
  duplicate_of: string | null;
};

type EffectsTable = { forge: string; kind: string; object: string; template: string; task_id: string };

type IssueStateTable = {
  forge: string;
  repository_id: number;
  issue: number;
  labels: string[];
  episodes: JsonOf<Record<string, number>>;
  observed_at: Time;
  uncertain: Generated<boolean>;
};

type StatisticsTable = {
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
type StatisticsTimesTable = { hour: Time; measure: 'wait' | 'duration'; class: number; tasks: number };
type EventCountsTable = { type: string; events: number };
type StatisticsPositionTable = { only_row: Generated<boolean>; sequence: number };

/** Every table, as the migrations leave it. A test compares this with the database. */
export type Database = {
  installation: InstallationTable;
  beat: BeatTable;
  replicas: ReplicasTable;
  agents: AgentsTable;
  tokens: TokensTable;
  lanes: LanesTable;
  tasks: TasksTable;
  attempts: AttemptsTable;
  attempt_streams: AttemptStreamsTable;
  attempt_logs: AttemptLogsTable;
  avoidances: AvoidancesTable;
  events: EventsTable;
  deliveries: DeliveriesTable;
  effects: EffectsTable;
  issue_state: IssueStateTable;
  task_dependencies: TaskDependenciesTable;
  finished_dependencies: FinishedDependenciesTable;
  concurrency: ConcurrencyTable;
  idempotency_keys: IdempotencyKeysTable;
  pruned_tasks: PrunedTasksTable;
  statistics: StatisticsTable;
  statistics_times: StatisticsTimesTable;
  event_counts: EventCountsTable;
  statistics_position: StatisticsPositionTable;
};

export type TaskRow = Selectable<TasksTable>;
export type AgentRow = Selectable<AgentsTable>;
export type AttemptRow = Selectable<AttemptsTable>;
export type LaneRow = Selectable<LanesTable>;
export type TokenRow = Selectable<TokensTable>;
export type DeliveryRow = Selectable<DeliveriesTable>;
export type EventRow = Selectable<EventsTable>;
