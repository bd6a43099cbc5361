/**
 * Events up to this one were seen while numbers before it were missing. Every transaction that can have such a number
 * is older than `before`.
 */
export type Undecided = { upTo: number; before: bigint };

/** `missing`: the event beyond a missing number that nobody waits for yet, the last that was seen. */
export type Settled<T> = { events: T[]; undecided: Undecided | null; missing: number | null };

/**
 * How many of the events after a position may be shown without a hole. An event has its number before its transaction
 * commits, so a missing number may still come: it is waited for until every transaction has ended that could have it.
 * A number that was never used, or whose event was deleted, then holds nothing back. `oldest` is the oldest
 * transaction that was open when the events were read.
 */
export function settle<T extends { sequence: number }>(
  after: number,
  events: readonly T[],
  oldest: bigint,
  waiting: Undecided | null,
): Settled<T> {
  const decided = waiting !== null && oldest >= waiting.before;
  let at = decided ? Math.max(after, waiting.upTo) : after;
  const held = events.findIndex(({ sequence }) => {
    if (sequence > at + 1) return true;
    at = Math.max(at, sequence);
    return false;
  });
  if (held === -1) return { events: [...events], undecided: null, missing: null };
  const undecided = decided ? null : waiting;
  const missing = undecided === null ? (events.at(-1)?.sequence ?? null) : null;
  return { events: events.slice(0, held), undecided, missing };
}
