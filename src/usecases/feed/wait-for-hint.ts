import type { Hint, Wakeups } from '../../store/wakeups.ts';

export type Waiting = {
  /** Resolves when a hint has come since this was made, when the time is over, or when the signal fires. */
  within(ms: number): Promise<void>;
  stop(): void;
};

/** Begins to listen at once, so that what happens between a look and the wait for the next isn't missed. */
export function waitForHint(wakeups: Wakeups, isWanted: (hint: Hint) => boolean, signal: AbortSignal): Waiting {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  const unsubscribe = wakeups.subscribe((hint) => {
    if (isWanted(hint)) wake();
  });
  signal.addEventListener('abort', wake, { once: true });
  if (signal.aborted) wake();
  return {
    async within(ms) {
      const timer = setTimeout(wake, ms);
      await promise;
      clearTimeout(timer);
    },
    stop() {
      unsubscribe();
      signal.removeEventListener('abort', wake);
    },
  };
}
