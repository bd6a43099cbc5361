import { setTimeout as delay } from 'node:timers/promises';
import type { Attempts } from './attempts.ts';
import type { WorkLoader } from './work-loader.ts';

const EVERY_MS = 10_000;
const GROWN_BYTES = 2 * 1024 * 1024;

export type MemoryDeps = {
  attempts: Pick<Attempts, 'restedMs'>;
  work: Pick<WorkLoader, 'unusedMs'>;
  /** For how long it keeps what work needs when there is none. */
  restMs: number;
  /** Whether it can let go of that. */
  mayRest: () => boolean;
};

/**
 * Gives back what starting and working took once nothing runs: a process that idles has no reason to collect it, and may
 * idle for days. What was loaded to work it can't give back: resolves when it has rested with that for long.
 */
export async function memoryLoop({ attempts, work, restMs, mayRest }: MemoryDeps, signal: AbortSignal): Promise<void> {
  let kept = 0;
  while (!signal.aborted) {
    await delay(Math.min(EVERY_MS, restMs), undefined, { signal }).catch(() => {});
    if (signal.aborted || attempts.restedMs === 0) continue;
    if (Math.min(attempts.restedMs, work.unusedMs ?? 0) >= restMs && mayRest()) return;
    if (process.memoryUsage.rss() < kept + GROWN_BYTES) continue;
    globalThis.gc?.({ type: 'major', flavor: 'last-resort', execution: 'sync' });
    kept = process.memoryUsage.rss();
  }
}
