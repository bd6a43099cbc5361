import type { Hint } from '../../store/wakeups.ts';
import type { Deps } from '../deps.ts';
import { lookFor, touchWaiting } from './look-for-waiters.ts';
import type { Taken } from './taken.ts';
import type { TasksByLane, Waiter, WaitingRoom } from './waiting-room.ts';

/** Whoever waits is looked after this often, and once a beat, even when no hint comes: a hint may be lost. */
const LOOK_MS = 1_000;
/** What was told while a claim was under way, which may have looked before it was there. */
export type Flight = {
  tasks: TasksByLane;
  agentIds: Set<string>;
  /** That there are some was told, but not in which lanes. */
  somewhere: boolean;
};

/** What goes on between those who ask and the claims that answer them. */
export type Desk = {
  deps: Deps;
  room: WaitingRoom;
  /** Asked and not looked at yet. */
  fresh: Waiter[];
  /** Tasks that hints told of, and nobody was woken for yet. */
  hinted: TasksByLane;
  flights: Set<Flight>;
  /** Perhaps something was taken for them, and the answer lost: the error with which the last claim for each ended. */
  unsure: Map<Waiter, unknown>;
  /** Says when a claim begins. */
  turns: { ask(): void };
  looking: NodeJS.Timeout | null;
  lookingSoon: boolean;
  stopped: boolean;
};

/** Its caller is gone: it waits no longer, not even when a claim that is under way for it finds nothing. */
export function leave(desk: Desk, waiter: Waiter): void {
  waiter.untilMs = 0;
  const at = desk.fresh.indexOf(waiter);
  if (at >= 0) desk.fresh.splice(at, 1);
  if (at >= 0 || desk.room.has(waiter)) answer(desk, waiter, []);
}

/** Who may have been given something is not told that there was nothing: asking again, it hears of it. */
export function answer(desk: Desk, waiter: Waiter, taken: Taken[]): void {
  if (desk.unsure.has(waiter)) refuse(desk, waiter, desk.unsure.get(waiter));
  else end(desk, waiter, () => waiter.answer(taken));
}

export const refuse = (desk: Desk, waiter: Waiter, error: unknown): void => end(desk, waiter, () => waiter.fail(error));

function end({ room, unsure }: Desk, waiter: Waiter, say: () => void): void {
  waiter.answered = true;
  room.remove(waiter);
  unsure.delete(waiter);
  say();
}

export function hear(desk: Desk, hint: Hint): void {
  if (hint.kind === 'place') {
    for (const { agentIds } of desk.flights) agentIds.add(hint.agentId);
    askAgain(desk, desk.room.takeOf(hint.agentId));
  }
  if (hint.kind === 'missed') askAgain(desk, desk.room.takeAll());
  if (hint.kind !== 'ready' || desk.room.size + desk.flights.size === 0) return;
  if (hint.lane !== undefined && desk.deps.lanes.knows(hint.lane)) note(desk, new Map([[hint.lane, hint.tasks ?? 1]]));
  else {
    for (const flight of desk.flights) flight.somewhere = true;
    lookSoon(desk);
  }
}

/** These ask anew, as if they had just come: what is known of them may have changed. */
export function askAgain(desk: Desk, waiters: readonly Waiter[]): void {
  for (const waiter of waiters) {
    waiter.passed = false;
    waiter.ask.wasFull = false;
    waiter.wokenFor = null;
    desk.fresh.push(waiter);
  }
  desk.turns.ask();
}

export function note(desk: Desk, tasks: TasksByLane): void {
  for (const known of [desk.hinted, ...[...desk.flights].map((flight) => flight.tasks)]) {
    for (const [lane, count] of tasks) known.set(lane, (known.get(lane) ?? 0) + count);
  }
  desk.turns.ask();
}

/** While anybody waits: a look once a second, and a sign of life of those who wait. */
export function watch(desk: Desk): void {
  if (desk.looking !== null || desk.stopped) return;
  const afterMs = Math.min(LOOK_MS, desk.deps.settings.leases.renewSeconds * 1000);
  desk.looking = setTimeout(async () => {
    desk.room.forgive();
    askUnsure(desk);
    await Promise.all([look(desk), noteWaiting(desk)]);
    desk.looking = null;
    if (desk.room.size > 0) watch(desk);
  }, afterMs);
}

/** Whoever waits lives, as if it said so with a beat. */
async function noteWaiting({ room, deps }: Desk): Promise<void> {
  const nowMs = performance.now();
  const unnoted = room.unnotedSince(nowMs - deps.settings.leases.renewSeconds * 1000);
  try {
    await touchWaiting(deps, [...new Set(unnoted.map(({ ask }) => ask.agentId))]);
    for (const waiter of unnoted) waiter.notedMs = nowMs;
  } catch {
    // The database is away: with the next look.
  }
}

function askUnsure(desk: Desk): void {
  const waiters = [...desk.unsure.keys()].filter((waiter) => desk.room.has(waiter));
  waiters.forEach(desk.room.remove);
  askAgain(desk, waiters);
}

/** Of hints that come together, one look is enough. */
export function lookSoon(desk: Desk): void {
  if (desk.lookingSoon) return;
  desk.lookingSoon = true;
  setImmediate(() => {
    desk.lookingSoon = false;
    void look(desk);
  });
}

/** Finds where tasks are for those who wait, whether a hint told of them or not. */
async function look(desk: Desk): Promise<void> {
  try {
    note(desk, await lookFor(desk.deps, desk.room.agents(), desk.room.wanted()));
  } catch {
    // The database is away; the next look finds what there is.
  }
}
