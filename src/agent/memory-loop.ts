import { setTimeout as delay } from 'node:timers/promises';
import type { Attempts } from './attempts.ts';

const EVERY_MS = 10_000;
const GROWN_BYTES = 4 * 1024 * 1024;

/**
 * Gives back what starting and working took once nothing runs: a process that idles has no reason to collect it, and may
 * idle for days. The launcher gives it the means (`gc`).
 */
export async function memoryLoop(attempts: Pick<Attempts, 'running'>, signal: AbortSignal): Promise<void> {
  let kept = 0;
  while (!signal.aborted) {
    await delay(EVERY_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted || attempts.running.length > 0 || process.memoryUsage.rss() < kept + GROWN_BYTES) continue;
    globalThis.gc?.({ type: 'major', flavor: 'last-resort', execution: 'sync' });
    kept = process.memoryUsage.rss();
  }
}
