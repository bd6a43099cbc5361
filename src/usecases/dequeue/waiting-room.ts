import { MOST_TASKS } from './give-out.ts';
import type { Ask, Taken } from './taken.ts';

/** An agent's request that is not answered yet. */
export type Waiter = {
  ask: Ask;
  /** Until when it waits, by the process's own clock. */
  untilMs: number;
  /** When it was last noted that its agent lives, by the same clock. */
  notedMs: number;
  /** A claim was made for it that found nothing. */
  looked: boolean;
  /** What the agent may serve, as its last claim found. */
  labels: readonly string[];
  /** It could take nothing of what was there; others go first until the next look at everything. */
  passed: boolean;
  /** What it was woken for; null for one that asks by itself. */
  wokenFor: { lane: number; tasks: number } | null;
  answered: boolean;
  answer(taken: Taken[]): void;
  fail(error: unknown): void;
};

/** How many tasks are said to wait in lanes. */
export type TasksByLane = Map<number, number>;

export type Serves = (agent: { id: string; labels: readonly string[] }, lane: number) => boolean;

export type WaitingRoom = {
  readonly size: number;
  has(waiter: Waiter): boolean;
  add(waiter: Waiter): void;
  remove(waiter: Waiter): void;
  /**
   * Takes out those that may serve one of these lanes, whoever waits longest: as many as tasks are there. What stays in
   * `tasks` others may be waiting for.
   */
  take(tasks: TasksByLane, serves: Serves, most: number): Waiter[];
  takeOf(agentId: string): Waiter[];
  takeAll(): Waiter[];
  /** Everybody has a chance again. */
  forgive(): void;
  agents(): { id: string; labels: readonly string[] }[];
  /** Of whose agents nobody has noted since then that they live. */
  unnotedSince(ms: number): Waiter[];
  /** How many tasks all of them together ask for. */
  wanted(): number;
};

/** Who waits for a task on this process, in the order in which they came. */
export function createWaitingRoom(): WaitingRoom {
  const waiting = new Set<Waiter>();
  const byAgent = new Map<string, Set<Waiter>>();

  const remove = (waiter: Waiter) => {
    waiting.delete(waiter);
    const own = byAgent.get(waiter.ask.agentId);
    own?.delete(waiter);
    if (own?.size === 0) byAgent.delete(waiter.ask.agentId);
  };
  const takeOut = (waiters: readonly Waiter[]): Waiter[] => {
    waiters.forEach(remove);
    return [...waiters];
  };

  return {
    get size() {
      return waiting.size;
    },
    has: (waiter) => waiting.has(waiter),
    add(waiter) {
      waiting.add(waiter);
      const own = byAgent.get(waiter.ask.agentId) ?? new Set();
      byAgent.set(waiter.ask.agentId, own.add(waiter));
    },
    remove,
    take: (tasks, serves, most) => takeOut(choose(waiting, tasks, serves, most)),
    takeOf: (agentId) => takeOut([...(byAgent.get(agentId) ?? [])]),
    takeAll: () => takeOut([...waiting]),
    forgive() {
      for (const waiter of waiting) waiter.passed = false;
    },
    agents: () => [...byAgent].map(([id, waiters]) => ({ id, labels: waiters.values().next().value?.labels ?? [] })),
    unnotedSince: (ms) => [...waiting].filter(({ notedMs }) => notedMs < ms),
    wanted: () => [...waiting].reduce((sum, { ask }) => sum + ask.maxTasks, 0),
  };
}

function choose(waiting: Iterable<Waiter>, tasks: TasksByLane, serves: Serves, most: number): Waiter[] {
  const chosen: Waiter[] = [];
  let wanted = 0;
  for (const waiter of waiting) {
    if (tasks.size === 0 || chosen.length >= most || wanted >= MOST_TASKS) return chosen;
    const lane = waiter.passed ? undefined : laneFor(waiter, tasks, serves);
    if (lane === undefined) continue;
    const { maxTasks } = waiter.ask;
    const left = tasks.get(lane) ?? 0;
    waiter.wokenFor = { lane, tasks: Math.min(left, maxTasks) };
    if (left > maxTasks) tasks.set(lane, left - maxTasks);
    else tasks.delete(lane);
    wanted += maxTasks;
    chosen.push(waiter);
  }
  tasks.clear();
  return chosen;
}

function laneFor({ ask, labels }: Waiter, tasks: TasksByLane, serves: Serves): number | undefined {
  const agent = { id: ask.agentId, labels };
  for (const lane of tasks.keys()) if (serves(agent, lane)) return lane;
  return undefined;
}
