import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './send.ts';

/** What the server asks by `Retry-After`: that nothing is asked of it before. */
export type Pause = {
  hear(answer: Answer): void;
  /** Resolves when it may be asked again. @throws when the signal is aborted */
  over(signal: AbortSignal): Promise<void>;
};

/** A server that is back sooner than it thought shall not be without its agents for hours. */
const LONGEST_SECONDS = 300;

/** Waits are a little longer than asked for, each another time, so that not all agents come back at once. */
export function createPause(random: () => number): Pause {
  let untilMs = 0;
  return {
    hear({ status, header }) {
      if (status !== 429 && status !== 503) return;
      const seconds = secondsOf(header('retry-after'), header('date'));
      const waitMs = Math.min(seconds, LONGEST_SECONDS) * 1000 * (1 + random() / 4);
      untilMs = Math.max(untilMs, performance.now() + waitMs);
    },
    async over(signal) {
      const waitMs = untilMs - performance.now();
      if (waitMs > 0) await delay(waitMs, undefined, { signal });
    },
  };
}

/** It is a number of seconds, or a moment of the server's clock. */
function secondsOf(retryAfter: string | null, date: string | null): number {
  const text = retryAfter?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text);
  const ms = Date.parse(text) - (date === null ? Date.now() : Date.parse(date));
  return Number.isNaN(ms) ? 0 : Math.max(0, ms / 1000);
}
