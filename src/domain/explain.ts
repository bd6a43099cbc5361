import { hasLabels } from './match.ts';
import type { ExecutionMode, Status } from './task.ts';

/** What must be known of a waiting task to say why it waits. */
export type Waiting = {
  status: Status;
  executionMode: ExecutionMode;
  requires: readonly string[];
  namedAgentId: string | null;
  ready: boolean;
};

export type Taker = {
  id: string;
  executionMode: ExecutionMode;
  labels: readonly string[];
  capacity: number;
  running: number;
  online: boolean;
  cordoned: boolean;
  draining: boolean;
};

export type WaitingReason =
  | 'run_after'
  | 'no_agents'
  | 'agent_removed'
  | 'labels_nobody_has'
  | 'offline'
  | 'cordoned'
  | 'draining'
  | 'all_busy';

/** The first reason why a pending task isn't taken at once; null when the next look would take it. */
export function waitingReason(task: Waiting, takers: readonly Taker[]): WaitingReason | null {
  if (task.status !== 'pending') return null;
  if (!task.ready) return 'run_after';
  if (task.namedAgentId !== null) return reasonOfNamed(takers.find((taker) => taker.id === task.namedAgentId));
  const ofMode = takers.filter(
    (taker) => task.executionMode === 'undecided' || taker.executionMode === task.executionMode,
  );
  if (ofMode.length === 0) return 'no_agents';
  const matching = ofMode.filter((taker) => hasLabels(taker.labels, task.requires));
  if (matching.length === 0) return 'labels_nobody_has';
  const reasons = matching.map(reasonOf);
  return reasons.includes(null) ? null : (reasons.find((reason) => reason === 'all_busy') ?? reasons[0] ?? null);
}

const reasonOfNamed = (taker: Taker | undefined): WaitingReason | null =>
  taker === undefined ? 'agent_removed' : reasonOf(taker);

function reasonOf(taker: Taker): WaitingReason | null {
  if (taker.cordoned) return 'cordoned';
  if (taker.draining) return 'draining';
  if (!taker.online) return 'offline';
  return taker.running >= taker.capacity ? 'all_busy' : null;
}
