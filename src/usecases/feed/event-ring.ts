import type { StoredEvent } from '../../store/events.ts';

/** The last events that were read, for all who follow: each has its place in it and takes what comes after. */
export type EventRing = {
  add(events: readonly StoredEvent[]): void;
  /** The place after the newest. */
  end(): number;
  /** The place of the first event after a number; null unless all that come after it are here. */
  indexAfter(sequence: number): number | null;
  /** What stands from a place on; null if some of it is here no more. */
  from(index: number): StoredEvent[] | null;
  /** Resolves when something was added, when the signal fires, and about once a second. Rejects once nothing will come. */
  grown(signal: AbortSignal): Promise<void>;
  breakOff(reason: unknown): void;
  /** Resolves when it was broken off. */
  broken: Promise<void>;
};

const WAKE_MS = 900;

/** Every event after the number `reach` will be in it, until there are more than it keeps. */
export function createEventRing(capacity: number, reach: number): EventRing {
  let kept: StoredEvent[] = [];
  let firstIndex = 0;
  let complete = reach;
  let failure: { reason: unknown } | null = null;
  let wokenMs = performance.now();
  const wakers = new Set<() => void>();
  const { promise: broken, resolve: sayBroken } = Promise.withResolvers<void>();

  const wakeAll = () => {
    wokenMs = performance.now();
    for (const wake of wakers) wake();
  };

  /** Now and then, not for each event. */
  const trim = () => {
    const over = kept.length - capacity;
    if (over <= capacity / 4) return;
    complete = Math.max(complete, kept[over - 1]?.sequence ?? 0);
    kept = kept.slice(over);
    firstIndex += over;
  };

  return {
    broken,
    add(events) {
      for (const event of events) kept.push(event);
      trim();
      if (events.length > 0 || performance.now() - wokenMs >= WAKE_MS) wakeAll();
    },
    end: () => firstIndex + kept.length,
    indexAfter(sequence) {
      if (sequence < complete) return null;
      const at = kept.findIndex((event) => event.sequence > sequence);
      return firstIndex + (at === -1 ? kept.length : at);
    },
    from: (index) => (index < firstIndex ? null : kept.slice(index - firstIndex)),
    async grown(signal) {
      if (failure === null && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const wake = () => resolve();
        wakers.add(wake);
        signal.addEventListener('abort', wake, { once: true });
        await promise;
        wakers.delete(wake);
        signal.removeEventListener('abort', wake);
      }
      if (failure !== null) throw failure.reason;
    },
    breakOff(reason) {
      failure = { reason };
      sayBroken();
      wakeAll();
    },
  };
}
