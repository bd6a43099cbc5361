import { setTimeout as delay } from 'node:timers/promises';
import { lastSequences, readFeed } from '../../store/event-feed.ts';
import type { StoredEvent } from '../../store/events.ts';
import type { Hint } from '../../store/wakeups.ts';
import type { Deps } from '../deps.ts';
import { createEventRing, type EventRing } from './event-ring.ts';
import { readSettled } from './list-feed.ts';
import { createFeedLooks } from './settle-feed.ts';
import { waitForHint } from './wait-for-hint.ts';

/** Events as they come, an empty list at least once a second. */
export type Following = AsyncGenerator<StoredEvent[]>;

/** All that happens, for many who follow it: one reader in a process reads for all of them. */
export type EventFeed = {
  /**
   * Events after a number, or those that come after this was answered if it is null. Ends when the signal fires, or when
   * who follows has fallen too far behind.
   */
  follow(after: number | null, signal: AbortSignal): Promise<Following>;
  /** How many follow now. */
  followers(): number;
};

type FeedDeps = Pick<Deps, 'db' | 'wakeups'>;
type Reader = { ring: EventRing; stop(): void };

const LOOK_MS = 1_000;
/** However much happens, the reader reads no more often than this. */
const REST_MS = 20;
const BATCH = 500;
/** So many are kept for those who follow; whoever is further behind is too slow. */
const KEPT = 10_000;
/** An event that is still being written when the first follower comes has one of so many last numbers. */
const MAY_STILL_COME = 1_000;
const PAGE = 200;

export function createEventFeed(deps: FeedDeps, kept = KEPT): EventFeed {
  let following = 0;
  let reader: Promise<Reader> | null = null;

  const begin = (): Promise<Reader> => {
    const begun = startReader(deps, kept);
    // One that can't begin or go on serves nobody any more: the next who comes starts another.
    const forget = () => {
      if (reader === begun) reader = null;
    };
    begun.then(({ ring }) => ring.broken.then(forget), forget);
    return begun;
  };

  const leave = () => {
    following -= 1;
    if (following > 0) return;
    reader?.then(({ stop }) => stop()).catch(() => {});
    reader = null;
  };

  return {
    followers: () => following,
    async follow(after, signal) {
      following += 1;
      const left = once(leave);
      // Who goes before the first event was taken leaves by the signal alone.
      signal.addEventListener('abort', left, { once: true });
      try {
        reader ??= begin();
        const { ring } = await reader;
        const index = after === null ? ring.end() : null;
        return untilDone(
          index === null ? resumed(deps, ring, after ?? 0, signal) : fromRing(ring, index, 0, signal),
          left,
        );
      } catch (error) {
        left();
        throw error;
      }
    },
  };
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}

async function* untilDone(events: Following, done: () => void): Following {
  try {
    yield* events;
  } finally {
    done();
  }
}

/** Reads the past from the database, at the pace of who takes it, until what follows is in the ring. */
async function* resumed(deps: FeedDeps, ring: EventRing, after: number, signal: AbortSignal): Following {
  for (let at = after; !signal.aborted; ) {
    const index = ring.indexAfter(at);
    if (index !== null) return yield* fromRing(ring, index, at, signal);
    const { events } = await readSettled(deps, at, PAGE);
    yield events;
    if (events.length === 0) await ring.grown(signal);
    at = events.at(-1)?.sequence ?? at;
  }
}

async function* fromRing(ring: EventRing, from: number, after: number, signal: AbortSignal): Following {
  for (let index = from; !signal.aborted; ) {
    const events = ring.from(index);
    if (events === null) return;
    index += events.length;
    yield events.filter(({ sequence }) => sequence > after);
    if (index === ring.end()) await ring.grown(signal);
  }
}

async function startReader(deps: FeedDeps, kept: number): Promise<Reader> {
  const stopping = new AbortController();
  const seen = await lastSequences(deps.db, MAY_STILL_COME);
  const last = seen[0] ?? 0;
  const ring = createEventRing(kept, last);
  const first = Math.max(0, last - MAY_STILL_COME);
  void readInto(ring, deps, first, new Set(seen), stopping.signal).catch(ring.breakOff);
  return { ring, stop: () => stopping.abort() };
}

const isNews = (hint: Hint): boolean => hint.kind !== 'log';

/** Adds what comes after `first` but for what was `seen`, in the order of the numbers and without a hole. */
async function readInto(
  ring: EventRing,
  deps: FeedDeps,
  first: number,
  seen: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<void> {
  const look = createFeedLooks(deps, readFeed);
  for (let at = first; !signal.aborted; ) {
    const hint = waitForHint(deps.wakeups, isNews, signal);
    try {
      const { events, held } = await look(at, BATCH);
      at = events.at(-1)?.sequence ?? at;
      ring.add(events.filter(({ sequence }) => !seen.has(sequence)));
      await delay(REST_MS, undefined, { signal }).catch(() => {});
      if (!held && events.length < BATCH) await hint.within(LOOK_MS);
    } finally {
      hint.stop();
    }
  }
}
