import type { Orders } from './orders.ts';

/** Our own idea of how long the lease still lasts, on a clock that nobody can set. */
export type LeaseClock = {
  /** A renewal that was asked for at `askedAt` (of `now`) was granted. */
  granted(askedAt: number, leaseSeconds: number): void;
  /** Fences at once if time has run out; a process that was frozen finds out here before it does anything. */
  check(): void;
  now(): number;
  stop(): void;
};

/**
 * Fences the driver when its lease has lapsed by its own clock: counted from when it asked, so that it is never later
 * than the control plane's. `seconds` null: the lease is watched by the control plane alone.
 */
export function createLeaseClock(orders: Orders, seconds: number | null, now: () => number): LeaseClock {
  if (seconds === null) return { granted() {}, check() {}, now, stop() {} };
  let until = now() + seconds * 1000;
  const lapse = () => {
    if (now() >= until) orders.fence('lapsed');
    else timer = setTimeout(lapse, until - now());
  };
  let timer = setTimeout(lapse, seconds * 1000);
  return {
    granted(askedAt, leaseSeconds) {
      until = Math.max(until, askedAt + leaseSeconds * 1000);
    },
    check() {
      if (now() >= until) orders.fence('lapsed');
    },
    now,
    stop: () => clearTimeout(timer),
  };
}
