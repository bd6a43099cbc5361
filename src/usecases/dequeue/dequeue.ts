import { isDatabaseAway } from '../../store/database-errors.ts';
import { mayTryAlone } from '../coalesce.ts';
import type { Deps } from '../deps.ts';
import { createTurns } from '../turns.ts';
import { type Claimed, claimForAgents } from './claim-for-agents.ts';
import {
  answer,
  askAgain,
  type Desk,
  type Flight,
  hear,
  leave,
  lookSoon,
  note,
  refuse,
  watch,
} from './dequeue-desk.ts';
import { MOST_TASKS } from './give-out.ts';
import type { Taken } from './taken.ts';
import { createWaitingRoom, type Waiter } from './waiting-room.ts';

export type { Taken } from './taken.ts';
export type DequeueWish = { maxTasks: number; waitSeconds: number; requestId: string | null };

export type Dequeues = {
  /**
   * Gives an agent the best-ranked tasks that it can take now, at most as many as it has places; waits for one up to
   * `waitSeconds`, and answers nothing when the time is over or all are told to stop. `cancel` is for a caller that is
   * gone: what was taken for it by then is answered all the same.
   */
  dequeue(agentId: string, wish: DequeueWish): { answer: Promise<Taken[]>; cancel(): void };
  /** How many agents wait. */
  waiting(): number;
  /** Answers everybody who waits, with nothing, and lets nobody wait from now on. */
  stop(): void;
};

const MOST_ASKS = 128;

/** Answers agents that ask together with one claim, and wakes of those that wait only as many as there are tasks for. */
export function createDequeues(deps: Deps): Dequeues {
  const desk: Desk = {
    deps,
    room: createWaitingRoom(),
    fresh: [],
    hinted: new Map(),
    flights: new Set(),
    unsure: new Map(),
    turns: createTurns({
      waiting: () => desk.fresh.length + (desk.room.size === 0 ? 0 : desk.hinted.size),
      most: MOST_ASKS,
      turn: () => serve(desk, nextBatch(desk)),
    }),
    looking: null,
    lookingSoon: false,
    stopped: false,
  };
  const unsubscribe = deps.wakeups.subscribe((hint) => hear(desk, hint));
  return {
    dequeue(agentId, { maxTasks, waitSeconds, requestId }) {
      const { promise, resolve, reject } = Promise.withResolvers<Taken[]>();
      const nowMs = performance.now();
      const waiter: Waiter = {
        ask: { agentId, maxTasks, requestId },
        untilMs: nowMs + waitSeconds * 1000,
        notedMs: nowMs,
        looked: false,
        labels: [],
        passed: false,
        wokenFor: null,
        answered: false,
        answer: resolve,
        fail: reject,
      };
      // One that is being claimed for is answered by that claim.
      const giveUp = () => desk.room.has(waiter) && answer(desk, waiter, []);
      if (waitSeconds > 0) setTimeoutUntil(promise, giveUp, waitSeconds * 1000);
      desk.fresh.push(waiter);
      desk.turns.ask();
      return { answer: promise, cancel: () => leave(desk, waiter) };
    },
    waiting: () => desk.room.size,
    stop() {
      desk.stopped = true;
      unsubscribe();
      clearTimeout(desk.looking ?? undefined);
      for (const waiter of [...desk.fresh.splice(0), ...desk.room.takeAll()]) answer(desk, waiter, []);
    },
  };
}

function setTimeoutUntil(answered: Promise<unknown>, act: () => void, ms: number): void {
  const timer = setTimeout(act, ms);
  const clear = () => clearTimeout(timer);
  answered.then(clear, clear);
}

function nextBatch(desk: Desk): Waiter[] {
  if (desk.fresh.length > 0) return desk.fresh.splice(0, countWithin(desk.fresh));
  return desk.room.take(desk.hinted, desk.deps.lanes.serves, MOST_ASKS);
}

/** How many of those in front one claim can give all that they ask for; at least one. */
function countWithin(waiters: readonly Waiter[]): number {
  let tasks = 0;
  const beyond = waiters.findIndex(({ ask }, index) => {
    tasks += ask.maxTasks;
    return index >= MOST_ASKS || (index > 0 && tasks > MOST_TASKS);
  });
  return beyond < 0 ? waiters.length : beyond;
}

async function serve(desk: Desk, batch: readonly Waiter[]): Promise<void> {
  if (batch.length === 0) return;
  const flight: Flight = { tasks: new Map(), agentIds: new Set(), somewhere: false };
  desk.flights.add(flight);
  await claim(desk, batch);
  desk.flights.delete(flight);
  const untold = batch.filter(({ answered }) => !answered);
  if (untold.length > 0) note(desk, flight.tasks);
  if (untold.length > 0 && flight.somewhere) lookSoon(desk);
  const changed = untold.filter((waiter) => flight.agentIds.has(waiter.ask.agentId) && desk.room.has(waiter));
  for (const waiter of changed) desk.room.remove(waiter);
  askAgain(desk, changed);
}

async function claim(desk: Desk, batch: readonly Waiter[]): Promise<void> {
  let claimed: Claimed[];
  try {
    claimed = await claimForAgents(
      desk.deps,
      batch.map(({ ask }) => ask),
    );
  } catch (error) {
    if (batch.length > 1 && mayTryAlone(error)) await Promise.all(batch.map((waiter) => claim(desk, [waiter])));
    else for (const waiter of batch) failed(desk, waiter, error);
    return;
  }
  for (const [index, waiter] of batch.entries()) {
    const one = claimed[index] as Claimed;
    tell(desk, waiter, one);
    passOnRest(desk, waiter, one.taken.length);
  }
  passOn(desk, batch);
}

function tell(desk: Desk, waiter: Waiter, { taken, labels, passed, full, repeated }: Claimed): void {
  desk.unsure.delete(waiter);
  if (taken.length > 0 || repeated || desk.stopped || waiter.untilMs <= performance.now()) {
    answer(desk, waiter, taken);
    return;
  }
  waiter.looked = true;
  waiter.labels = labels;
  waiter.passed = passed;
  waiter.ask.wasFull = full;
  desk.room.add(waiter);
  watch(desk);
}

/** It had fewer places than it was woken for tasks: the others are for whoever comes next. */
function passOnRest(desk: Desk, { wokenFor }: Waiter, taken: number): void {
  if (wokenFor === null || taken === 0 || taken >= wokenFor.tasks) return;
  note(desk, new Map([[wokenFor.lane, wokenFor.tasks - taken]]));
}

/** Somebody could not take what was there; of those who wait, others may. */
function passOn(desk: Desk, batch: readonly Waiter[]): void {
  const passed = batch.filter((waiter) => waiter.passed && !waiter.answered);
  if (passed.length === 0 || desk.room.size <= passed.length) return;
  const lanes = desk.deps.lanes.servedBy(passed.map(({ ask, labels }) => ({ id: ask.agentId, labels })));
  note(desk, new Map(lanes.map((lane) => [lane, 1])));
}

/** While the database is away, who waits goes on waiting, and asks anew with the next look. */
function failed(desk: Desk, waiter: Waiter, error: unknown): void {
  if (isDatabaseAway(error) && waiter.looked && waiter.untilMs > performance.now() && !desk.stopped) {
    desk.room.add(waiter);
    desk.unsure.set(waiter, error);
    watch(desk);
  } else refuse(desk, waiter, error);
}
