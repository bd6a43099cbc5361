export type GiveAgain = {
  /** Whether an order about this attempt is to be given now; it counts as given then. */
  due(attemptId: string): boolean;
  /** All but these are settled, or nobody's business any more. */
  only(attemptIds: readonly string[]): void;
  /** Contact was lost: whoever answers next is told anew. */
  reset(): void;
};

const FIRST_PAUSE_MS = 15_000;
const LONGEST_PAUSE_MS = 240_000;

/**
 * An order that a host has answered is carried out there without us. It is given again, more and more seldom, only in
 * case that nothing came of it: a machine that was frozen, or had no room for another process.
 */
export function createGiveAgain(nowMs: () => number): GiveAgain {
  const given = new Map<string, { againAtMs: number; pauseMs: number }>();
  return {
    due(attemptId) {
      const last = given.get(attemptId);
      if (last !== undefined && nowMs() < last.againAtMs) return false;
      const pauseMs = last === undefined ? FIRST_PAUSE_MS : Math.min(2 * last.pauseMs, LONGEST_PAUSE_MS);
      given.set(attemptId, { againAtMs: nowMs() + pauseMs, pauseMs });
      return true;
    },
    only(attemptIds) {
      for (const attemptId of given.keys()) if (!attemptIds.includes(attemptId)) given.delete(attemptId);
    },
    reset: () => given.clear(),
  };
}
