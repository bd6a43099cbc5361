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
export type Runner = {
  id: string;
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
export function chooseVictim<R extends Runner>(
  waiting: Preemptor,
  places: readonly ContestedPlace[],
  runners: readonly R[],
  limits: PreemptionLimits,
): R | null {
  if (waiting.hasStopped || places.some(({ capacity, taken }) => taken < capacity)) return null;
  const gained = new Set(places.filter(freesPlace).map(({ agentId }) => agentId));
  const victims = runners.filter((runner) => gained.has(runner.agentId) && mayBeStopped(runner, waiting, limits));
  return victims.toSorted(worstFirst)[0] ?? null;
}

/** Where more runs than there are places, since there were more once, an attempt that ends leaves none free. */
const freesPlace = ({ capacity, taken, stopping }: ContestedPlace): boolean => taken - stopping <= capacity;

const mayBeStopped = (runner: Runner, waiting: Preemptor, limits: PreemptionLimits): boolean =>
  runner.preemptible &&
  runner.reachable &&
  !runner.stopAsked &&
  waiting.priority - runner.priority >= limits.gap &&
  runner.rank > waiting.rank &&
  runner.ranSeconds >= limits.minRunSeconds &&
  runner.preemptions < limits.maxPerTask;

const worstFirst = (a: Runner, b: Runner): number => b.rank - a.rank || (a.id < b.id ? 1 : -1);
