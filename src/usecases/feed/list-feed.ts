import { setTimeout as delay } from 'node:timers/promises';
import { lastSequences, readFeed } from '../../store/event-feed.ts';
import type { StoredEvent } from '../../store/events.ts';
import { type Page, type PageOf, readCursor, writeCursor } from '../cursor.ts';
import type { Deps } from '../deps.ts';
import { createFeedLooks } from './settle-feed.ts';

/** What is written at the same moment is waited for, but not what takes long. */
const LOOKS = 10;
const BETWEEN_LOOKS_MS = 20;

export type FeedPage = { events: StoredEvent[]; more: boolean };

/** Events of all tasks after a number, without a hole; `more` of them may be asked for right away. */
export async function readSettled(deps: Pick<Deps, 'db'>, after: number, limit: number): Promise<FeedPage> {
  const look = createFeedLooks(deps, readFeed);
  // Who has just changed something finds its event, though others write meanwhile.
  const [newest = 0] = await lastSequences(deps.db, 1);
  for (let looks = 1; ; looks++) {
    const { events, held } = await look(after, limit + 1);
    const whole = !held && (events.at(-1)?.sequence ?? after) >= newest;
    if (whole || events.length > limit || looks === LOOKS) {
      return { events: events.slice(0, limit), more: held || events.length > limit };
    }
    // Often nothing is written just now, and the next look knows all.
    if (looks > 1) await delay(BETWEEN_LOOKS_MS);
  }
}

/** By number, oldest first. The numbers of one task's events go up; between them stand those of others. */
export async function listFeed(
  deps: Pick<Deps, 'db'>,
  after: number,
  { limit, cursor }: Page,
): Promise<PageOf<StoredEvent>> {
  const [number] = cursor === null ? [] : readCursor('events', cursor, ['number']);
  const from = number === undefined ? after : Number(number);
  const { events, more } = await readSettled(deps, from, limit);
  const last = events.at(-1)?.sequence ?? from;
  return { items: events, nextCursor: more ? writeCursor('events', String(last)) : null };
}
