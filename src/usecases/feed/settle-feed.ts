import { settle, type Undecided } from '../../domain/feed.ts';
import { type FeedPart, youngestTransaction } from '../../store/event-feed.ts';
import type { Deps } from '../deps.ts';

/** `held`: more was seen, and waits until it is sure that nothing comes before it. */
export type FeedLook<T> = { events: T[]; held: boolean };

/**
 * Looks at the events of all tasks again and again, by what `read` tells of them; what was missing at one look is
 * decided at a later one.
 */
export function createFeedLooks<T extends { sequence: number }>(
  deps: Pick<Deps, 'db'>,
  read: (db: Deps['db'], after: number, limit: number) => Promise<FeedPart<T>>,
): (after: number, limit: number) => Promise<FeedLook<T>> {
  let waiting: Undecided | null = null;
  return async (after, limit) => {
    const part = await read(deps.db, after, limit);
    const { events, undecided, missing } = settle(after, part.events, part.oldest, waiting);
    // The transaction is begun after the look, so whoever had a number before what was seen is older.
    waiting = missing === null ? undecided : { upTo: missing, before: await youngestTransaction(deps.db) };
    return { events, held: waiting !== null };
  };
}
