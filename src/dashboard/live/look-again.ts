import { setTimeout as delay } from 'node:timers/promises';
import type { Deps } from '../../usecases/deps.ts';
import { waitForHint } from '../../usecases/feed/wait-for-hint.ts';

/** At most four times a second, and never more than a fifth of the time. */
const REST_MS = 250;
const REST_PER_LOOK = 4;
/** Even when no hint comes: it may be lost. */
const LOOK_MS = 750;

/**
 * Looks, and looks again whenever something of interest may have changed, until the signal fires. It listens before it
 * looks, so nothing falls in between; and it looks only when its reader has taken what came before.
 */
export async function* lookAgain<T>(
  { wakeups }: Pick<Deps, 'wakeups'>,
  isAbout: Parameters<typeof waitForHint>[1],
  signal: AbortSignal,
  look: () => Promise<T>,
): AsyncGenerator<T> {
  while (!signal.aborted) {
    const hint = waitForHint(wakeups, isAbout, signal);
    try {
      const beganMs = performance.now();
      const seen = await look();
      const tookMs = performance.now() - beganMs;
      yield seen;
      await rest(Math.max(REST_MS, REST_PER_LOOK * tookMs), signal);
      await hint.within(LOOK_MS);
    } finally {
      hint.stop();
    }
  }
}

const rest = (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { signal }).catch(() => {});
