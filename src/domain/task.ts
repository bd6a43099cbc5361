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

const NAMES = Object.keys(PRIORITY_NAMES) as PriorityName[];
/** The number for a priority that was given as a number 0–10 or by name. */
export const priorityNumber = (priority: number | PriorityName): number =>
  typeof priority === 'number' ? priority : PRIORITY_NAMES[priority];
export const isPriorityName = (text: string): text is PriorityName => (NAMES as string[]).includes(text);
