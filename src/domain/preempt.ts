import type { Place } from './match.ts';

export type PreemptionLimits = {
  /** A task is stopped only for one whose priority is so much higher at least. */
  gap: number;
  /** What has run for less is left alone. */
  minRunSeconds: number;
  /** How often one task may be stopped for others. */
  maxPerTask: number;
};

/** A ready task that looks for a place. `hasStopped`: something is being stopped for it already. */
export type Preemptor = { priority: number; rank: number; hasStopped: boolean };

/** Places of an agent that matches; `stopping` of those taken will be free soon, since their attempts were told. */
export type ContestedPlace = Place & { stopping: number };

/** A running task on an agent that matches. */
export type RunningTask = {
  id: string;
  attemptId: string;
  agentId: string;
  priority: number;
  rank: number;
  preemptible: boolean;
  preemptions: number;
  ranSeconds: number;
  /** Its machine answers, so that it can be proven that it was stopped. */
  reachable: boolean;
  stopAsked: boolean;
};

/**
 * Which running task is stopped so that a waiting one gets its place: the worst-ranked that may be. Null when none may,
 * when a place is free, or when something is being stopped for it already.
 */
export function chooseVictim(
  waiting: Preemptor,
  places: readonly ContestedPlace[],
  running: readonly RunningTask[],
  limits: PreemptionLimits,
): RunningTask | null {
  if (waiting.hasStopped || places.some(({ capacity, taken }) => taken < capacity)) return null;
  const gained = new Set(places.filter(freesPlace).map(({ agentId }) => agentId));
  const victims = running.filter((task) => gained.has(task.agentId) && mayBeStopped(task, waiting, limits));
  return victims.toSorted(worstFirst)[0] ?? null;
}

/** Where more runs than there are places, since there were more once, an attempt that ends leaves none free. */
const freesPlace = ({ capacity, taken, stopping }: ContestedPlace): boolean => taken - stopping <= capacity;

const mayBeStopped = (task: RunningTask, waiting: Preemptor, limits: PreemptionLimits): boolean =>
  task.preemptible &&
  task.reachable &&
  !task.stopAsked &&
  waiting.priority - task.priority >= limits.gap &&
  task.rank > waiting.rank &&
  task.ranSeconds >= limits.minRunSeconds &&
  task.preemptions < limits.maxPerTask;

const worstFirst = (a: RunningTask, b: RunningTask): number => b.rank - a.rank || (a.id < b.id ? 1 : -1);
