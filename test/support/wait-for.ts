import { setTimeout as delay } from 'node:timers/promises';

export type WaitOptions = { timeoutMs?: number; intervalMs?: number; what?: string };

/** Waits until `fact` answers something other than null, undefined or false, and answers that; throws at the deadline. */
export async function waitFor<T>(
  fact: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  { timeoutMs = 90_000, intervalMs = 20, what = fact.toString() }: WaitOptions = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await fact();
      if (value !== null && value !== undefined && value !== false) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${what}`, { cause: last });
    await delay(intervalMs);
  }
}
