import type { Json } from './canonical-json.ts';
import type { ProcessIdentity } from './process.ts';
import type { Restriction } from './restriction.ts';

/** Where a task stands. The last three are final. */
export const STATUSES = ['pending', 'assigned', 'running', 'completed', 'failed', 'cancelled'] as const;
export type Status = (typeof STATUSES)[number];
export const FINAL_STATUSES = ['completed', 'failed', 'cancelled'] as const satisfies readonly Status[];

export const isFinal = (status: Status): boolean => (FINAL_STATUSES as readonly Status[]).includes(status);
/** An attempt is open and somebody holds, or held, its lease. */
export const isTaken = (status: Status): boolean => status === 'assigned' || status === 'running';

/** How a task reaches its machine; `undecided` until a host or an agent takes it, or phase 2 leaves it to agents. */
export const EXECUTION_MODES = ['undecided', 'ssh_cli', 'http_pull'] as const;
export type ExecutionMode = (typeof EXECUTION_MODES)[number];
/** The two ways a machine is reached: an agent's kind is named like the mode. */
export const AGENT_MODES = ['ssh_cli', 'http_pull'] as const;
export type AgentMode = (typeof AGENT_MODES)[number];

/** The most that one request for work brings. */
export const MAX_TASKS = 100;

export const OUTCOMES = ['completed', 'failed', 'cancelled', 'released', 'lost', 'preempted'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const FAILURE_CLASSES = [
  'exit',
  'signal',
  'timeout',
  'memory',
  'setup',
  'infrastructure',
  'policy',
  'output',
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** Why the server asked a holder to stop. Never taken back for the attempt. */
export const STOP_REASONS = ['cancel', 'timeout', 'preempted'] as const;
export type StopReason = (typeof STOP_REASONS)[number];

export const ACTOR_KINDS = ['coordinator', 'agent', 'server', 'forge', 'schedule'] as const;
export type ActorKind = (typeof ACTOR_KINDS)[number];
export type Actor = { kind: ActorKind; id: string };

/** What the command may use of the machine; null: no limit. */
export type Limits = {
  cpuPercent: number | null;
  memoryBytes: number | null;
  processes: number | null;
  fileSizeBytes: number | null;
  costUsd: number | null;
};
export const NO_LIMITS: Limits = {
  cpuPercent: null,
  memoryBytes: null,
  processes: null,
  fileSizeBytes: null,
  costUsd: null,
};

/** The limits by the names that people and agents use. */
export const LIMIT_NAMES: Record<keyof Limits, string> = {
  cpuPercent: 'cpu_percent',
  memoryBytes: 'memory_bytes',
  processes: 'processes',
  fileSizeBytes: 'file_size_bytes',
  costUsd: 'cost_usd',
};

export const SANDBOXES = ['none', 'bubblewrap', 'container'] as const;
export type Sandbox = (typeof SANDBOXES)[number];

/** What a dependant does when one that it depends on fails or is cancelled. */
export const DEPENDENCY_REACTIONS = ['cancel', 'wait', 'run'] as const;
export type DependencyReaction = (typeof DEPENDENCY_REACTIONS)[number];

/** A value itself, or the name of a secret of the server's configuration, which is looked up at the start. */
export type EnvironmentValue = string | { readonly secret: string };
export type Environment = Readonly<Record<string, EnvironmentValue>>;

/** By whom a task was made; `name` is what a person recognises. */
export type Creator = { kind: 'coordinator' | 'forge' | 'schedule'; id: string; name: string };

/** From what in a forge a task came. */
export type TaskSource = {
  forge: string;
  repository: string;
  kind: 'issue' | 'pull_request' | 'push' | 'release';
  number: number | null;
  event: string;
  sender: string;
  url: string | null;
  ref: string | null;
  sha: string | null;
};

export const PRIORITY_NAMES = { low: 1, medium: 3, high: 5, urgent: 8 } as const;
export type PriorityName = keyof typeof PRIORITY_NAMES;
export const DEFAULT_PRIORITY = PRIORITY_NAMES.medium;

/** The number for a priority that was given as a number 0–10 or by name. */
export const priorityNumber = (priority: number | PriorityName): number =>
  typeof priority === 'number' ? priority : PRIORITY_NAMES[priority];

export type Progress = { percent: number | null; message: string | null; at: string };
/** Over SSH: whether the host has answered about the attempt lately, and since when it is so. */
export type Contact = { state: 'ok' | 'unreachable'; since: string };

export type TaskResult = {
  outcome: Outcome;
  exitCode: number | null;
  failureClass: FailureClass | null;
  error: string | null;
  summary: string | null;
  output: Json;
  attemptId: string;
};

export type TaskAttempt = {
  id: string;
  number: number;
  agentId: string;
  leaseExpiresAt: string | null;
  startedAt: string | null;
  process: ProcessIdentity | null;
  contact: Contact | null;
  progress: Progress | null;
};

/** A task as anybody may see it. Times are RFC 3339 in UTC with six digits of the second. */
export type Task = {
  id: string;
  title: string;
  body: string | null;
  status: Status;
  executionMode: ExecutionMode;
  requestedMode: ExecutionMode;
  priority: number;
  version: number;
  createdBy: Creator;
  template: string | null;
  command: string[];
  input: string | null;
  /** Input that isn't text; `input` is null then. */
  inputBytes: Uint8Array | null;
  environment: Environment;
  requires: string[];
  limits: Limits;
  sandbox: Sandbox;
  outputSchema: Json;
  timeoutSeconds: number;
  preemptible: boolean;
  repeatable: boolean;
  source: TaskSource | null;
  deliveryId: string | null;
  repository: string | null;
  namedAgentId: string | null;
  assignedAgentId: string | null;
  assignedAt: string | null;
  /** The current attempt, or the last. */
  attempt: TaskAttempt | null;
  ready: boolean;
  /** Not ready before this moment, while that lies ahead: the caller's wish, or the delay before a retry. */
  dueAt: string | null;
  runAfter: string | null;
  dependsOn: string[];
  unmetDependencies: number;
  onDependencyFailure: DependencyReaction;
  requiresApproval: boolean;
  approvedAt: string | null;
  concurrencyKey: string | null;
  maxRetries: number;
  retries: number;
  maxInfraRetries: number;
  infraRetries: number;
  retryDelaySeconds: number;
  stopReason: StopReason | null;
  stopDetail: string | null;
  /** Code of the first reason why a pending task waits. */
  waitingReason: string | null;
  /** Null until the task is final. */
  result: TaskResult | null;
  createdAt: string;
  updatedAt: string;
  finishedAt: string | null;
};

export type TaskFilter = {
  statuses?: readonly Status[] | undefined;
  executionModes?: readonly ExecutionMode[] | undefined;
  agentId?: string | undefined;
  /** `owner/name`, or `forge:owner/name`. */
  repository?: string | undefined;
  template?: string | undefined;
  label?: string | undefined;
  /** Words looked for in the title. */
  query?: string | undefined;
  createdAfter?: string | undefined;
  createdBefore?: string | undefined;
  /** Only what its reader may see. */
  within?: Restriction | undefined;
};
export type TaskSort = 'created' | 'rank';

/** A new task that waits for nothing and is bound by nothing. */
export const PLAIN = {
  id: null,
  inputBytes: null,
  limits: NO_LIMITS,
  sandbox: 'none',
  outputSchema: null,
  dependsOn: [],
  onDependencyFailure: 'cancel',
  requiresApproval: false,
  concurrencyKey: null,
} as const;

/** What a caller decides about a new task; everything else has a default. */
export type NewTask = {
  /** A UUIDv7 that the caller chose; null: the server makes one. */
  id: string | null;
  title: string;
  body: string | null;
  template: string | null;
  command: readonly string[];
  input: string | null;
  inputBytes: Uint8Array | null;
  environment: Environment;
  requires: readonly string[];
  limits: Limits;
  sandbox: Sandbox;
  outputSchema: Json;
  priority: number;
  executionMode: ExecutionMode;
  namedAgentId: string | null;
  timeoutSeconds: number;
  runAfter: string | null;
  dependsOn: readonly string[];
  onDependencyFailure: DependencyReaction;
  requiresApproval: boolean;
  concurrencyKey: string | null;
  maxRetries: number;
  maxInfraRetries: number;
  retryDelaySeconds: number;
  preemptible: boolean;
  repeatable: boolean;
  repository: string | null;
  source: TaskSource | null;
  deliveryId: string | null;
  createdBy: Creator;
};
