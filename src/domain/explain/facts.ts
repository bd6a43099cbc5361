import type { Agent } from '../agent.ts';
import type { Abilities, Demands } from '../may-run.ts';
import type { Status, Task } from '../task.ts';

/** Codes of what keeps a task from everybody, in the order in which they are named. */
export const TASK_REASONS = [
  'not_pending',
  'run_after',
  'dependencies',
  'approval',
  'authorization',
  'concurrency',
  'agent_removed',
  'no_agents',
  'labels_nobody_has',
  'all_busy',
  'stop_asked',
  'host_unreachable',
] as const;
export type TaskReason = (typeof TASK_REASONS)[number];

/** Codes of what keeps a task from one agent, in the order in which they are named. */
export const AGENT_REASONS = [
  'other_agent_named',
  'mode',
  'labels_missing',
  'cordoned',
  'draining',
  'offline',
  'unsettled',
  'policy',
  'limits_unavailable',
  'recently_failed_here',
  'no_capacity',
  'preemption_limit',
] as const;
export type AgentReason = (typeof AGENT_REASONS)[number];

/** Why a task waits: a code for programs, a sentence for people, and what the code is about. */
export type Reason = {
  code: TaskReason | AgentReason;
  message: string;
  /** Labels, limits or a sandbox. */
  missing?: readonly string[];
  /** When it ends by itself, at the latest. */
  until?: string;
  /** The tasks that are waited for. */
  taskIds?: readonly string[];
};

/** What must be known of a pending task to say why it waits. */
export type Waiting = Demands &
  Pick<
    Task,
    | 'id'
    | 'executionMode'
    | 'requestedMode'
    | 'requires'
    | 'namedAgentId'
    | 'ready'
    | 'dueAt'
    | 'runAfter'
    | 'unmetDependencies'
    | 'requiresApproval'
    | 'approvedAt'
    | 'concurrencyKey'
  >;

/** Whoever might take a task, as the claim knows it. */
export type Taker = Abilities &
  Pick<
    Agent,
    | 'id'
    | 'name'
    | 'executionMode'
    | 'labels'
    | 'capacity'
    | 'running'
    | 'online'
    | 'stateReason'
    | 'cordoned'
    | 'cordonReason'
    | 'draining'
    | 'lastSeenAt'
  > & {
    /** A host that is to be asked first about attempts that ended there without its word. */
    toAsk: boolean;
  };

/** Agents that a task is kept from since it failed there a moment ago, by id: until when. */
export type KeptFrom = ReadonlyMap<string, string>;
export const KEPT_FROM_NOBODY: KeptFrom = new Map();

/** What its gates wait for. Names are left out for who may not know them. */
export type GateFacts = {
  unmet: readonly { id: string; status: Status }[];
  /** The other task that holds the concurrency key; null if none does. */
  keyHolder: { id: string | null } | null;
};
