export type Backoff = {
  /** How long to wait before the next try, in milliseconds: longer each time, and never twice the same. */
  next(): number;
  /** It worked: begin with short waits again. */
  reset(): void;
};

export type BackoffOptions = { minMs: number; maxMs: number; random: () => number };

/** Waits that double from `minMs` to `maxMs`, each shortened by up to a half so that many waiters spread out. */
export function createBackoff({ minMs, maxMs, random }: BackoffOptions): Backoff {
  let waitMs = minMs;
  return {
    next() {
      const now = waitMs;
      waitMs = Math.min(waitMs * 2, maxMs);
      return Math.round(now * (1 - random() / 2));
    },
    reset() {
      waitMs = minMs;
    },
  };
}

/** For a link to a machine or to the control plane. */
export const linkBackoff = (random: () => number): Backoff => createBackoff({ minMs: 100, maxMs: 5_000, random });
