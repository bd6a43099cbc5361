import { settle, type Undecided } from '../domain/feed.ts';
import { readFeed, youngestTransaction } from '../store/event-feed.ts';
import type { StoredEvent } from '../store/events.ts';
import type { Deps } from './deps.ts';

/** `held`: more was seen, and waits until it is sure that nothing comes before it. */
export type FeedLook = { events: StoredEvent[]; held: boolean };

/** Looks at the events of all tasks again and again; what was missing at one look is decided at a later one. */
export function createFeedLooks(
  deps: Pick<Deps, 'db'>,
  { young } = { young: false },
): (after: number, limit: number) => Promise<FeedLook> {
  let waiting: Undecided | null = null;
  return async (after, limit) => {
    const read = await readFeed(deps.db, after, limit, young);
    const { events, undecided, missing } = settle(after, read.events, read.oldest, waiting);
    // The transaction is begun after the look, so whoever had a number before what was seen is older.
    waiting = missing === null ? undecided : { upTo: missing, before: await youngestTransaction(deps.db) };
    return { events, held: waiting !== null };
  };
}
