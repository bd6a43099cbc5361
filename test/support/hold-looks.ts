import { onTestFinished, vi } from 'vitest';

/** How often those who wait are looked after though no hint comes. */
const LOOK_MS = 1_000;
const CHECK_MS = 20;

/**
 * The looks that come each second come only as often as they are let, until the test is over. What happens all the same
 * did not wait for one, however slow the machine is.
 */
export function holdLooks(): { let(count: number): void } {
  const timer = globalThis.setTimeout;
  let allowed = 0;
  let over = false;
  const later = (look: () => void) => {
    if (over) return;
    if (allowed === 0) return void timer(later, CHECK_MS, look);
    allowed -= 1;
    look();
  };
  const held = (act: () => void, ms?: number, ...more: []) =>
    ms === LOOK_MS ? timer(later, CHECK_MS, act) : timer(act, ms, ...more);
  const spy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(held as typeof setTimeout);
  onTestFinished(() => {
    over = true;
    spy.mockRestore();
  });
  return {
    let(count) {
      allowed = count;
    },
  };
}
