import { setTimeout as delay } from 'node:timers/promises';
import { DemoError } from './errors.ts';

export type Patience = { withinMs: number; everyMs?: number; signal: AbortSignal };

/**
 * Asks until there is an answer other than null. `what` names the fact in the error: "the server did not say …".
 * @throws {DemoError} when it does not come in time; the signal's reason when that fires
 */
export async function until<T>(
  what: string,
  ask: () => T | null | Promise<T | null>,
  { withinMs, everyMs = 100, signal }: Patience,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > deadline) throw late(what, withinMs);
    await pause(everyMs, signal);
  }
}

/** A promise with a deadline. */
export async function within<T>(what: string, promise: Promise<T>, { withinMs, signal }: Patience): Promise<T> {
  signal.throwIfAborted();
  const over = new AbortController();
  const ends = AbortSignal.any([signal, over.signal]);
  try {
    return await Promise.race([
      promise,
      pause(withinMs, ends).then(() => {
        throw late(what, withinMs);
      }),
    ]);
  } finally {
    over.abort();
  }
}

/** Waits so long, or until the signal fires, and then throws its reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
}

const late = (what: string, withinMs: number): DemoError =>
  new DemoError(`${what} did not happen within ${withinMs / 1000} s`);
