import type { Selectable } from 'kysely';
import type { AgentsTable, LanesTable, TokensTable } from './tables/agents.ts';
import type { AttemptLogsTable, AttemptStreamsTable, AttemptsTable, AvoidancesTable } from './tables/attempts.ts';
import type {
  AuditTable,
  EventCountsTable,
  EventsTable,
  PrunedTasksTable,
  StatisticsPositionTable,
  StatisticsTable,
  StatisticsTimesTable,
} from './tables/history.ts';
import type { BeatTable, InstallationTable, ReplicasTable } from './tables/installation.ts';
import type { DeliveriesTable, EffectsTable, IssueStateTable } from './tables/intake.ts';
import type {
  ConcurrencyTable,
  FinishedDependenciesTable,
  IdempotencyKeysTable,
  TaskDependenciesTable,
  TasksTable,
} from './tables/tasks.ts';

export type { HostStore } from './tables/attempts.ts';

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
  audit: AuditTable;
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
export type TokenRow = Selectable<TokensTable>;
export type DeliveryRow = Selectable<DeliveriesTable>;
