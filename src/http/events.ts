import { z } from 'zod';
import { pageQuery } from '../contract/common.ts';
import { eventList } from '../contract/event.ts';
import { eventsAsSeen } from '../usecases/access/as-seen.ts';
import { tasksWithin } from '../usecases/access/within.ts';
import type { Following } from '../usecases/feed/event-feed.ts';
import { listFeed } from '../usecases/feed/list-feed.ts';
import type { StoredEvent } from '../usecases/task/read-tasks.ts';
import { isStillAdmitted } from './auth.ts';
import type { HttpContext } from './env.ts';
import { eventStream, lastEventId, type ServerEvent, sameForAll, whileAllowed } from './event-stream.ts';
import { presentEvent, presentPage } from './present.ts';
import { restrictionOf } from './restricted.ts';
import { answers, api, apiRoute, endpoint, pageAsked } from './route.ts';

const sequence = z
  .string()
  .regex(/^\d{1,15}$/, 'must be the number of an event, or 0')
  .transform(Number)
  .meta({ type: 'integer', minimum: 0 });

const query = z.strictObject({
  ...pageQuery,
  after: sequence.optional().meta({ description: 'Events that come after the one of this number' }),
  follow: z.enum(['0', '1']).optional().meta({ description: '1: as server-sent events, as they come' }),
});

const ok = answers(eventList, 'A page of events, or the stream of them');
const streamed = { 'text/event-stream': { schema: { type: 'string' } } } as const;

const list = endpoint(
  apiRoute('viewer', [], {
    method: 'get',
    path: '/api/v1/events',
    tags: ['tasks'],
    summary: 'What happens to all tasks',
    description:
      'In the order of `sequence`. With `follow=1` server-sent events: `id` is the sequence, `event` the type, `data` ' +
      'the event. They begin now, or after `Last-Event-ID` or `after`, 0 being before the first; none is left out. ' +
      'Who reads too slowly is dropped and may come back where it was. To a token that sees only some tasks a page may be ' +
      'empty though more follow: as long as `next_cursor` says so.',
    request: { query },
    responses: { 200: { ...ok, content: { ...ok.content, ...streamed } } },
  }),
  async (c) => {
    const { after, follow: asked, ...page } = c.req.valid('query');
    if (asked === '1') return follow(c, lastEventId(c, sequence) ?? after ?? null);
    const found = await listFeed(c.get('http').deps, after ?? 0, pageAsked(page));
    const items = await visibleEvents(c, found.items);
    return c.json(presentPage({ ...found, items }, presentEvent), 200);
  },
);

async function follow(c: HttpContext, after: number | null): Promise<Response> {
  const { feed, stopping } = c.get('http');
  const signal = AbortSignal.any([c.req.raw.signal, stopping]);
  const following = await feed.follow(after, signal);
  return eventStream(
    c,
    whileAllowed(told(c, following), () => isStillAdmitted(c)),
  );
}

/** Of tasks that the reader may see. */
async function visibleEvents(c: HttpContext, events: StoredEvent[]): Promise<StoredEvent[]> {
  const restriction = restrictionOf(c);
  if (restriction === null || events.length === 0) return events;
  const ids = events.map(({ taskId }) => taskId);
  const seen = await tasksWithin(c.get('http').deps, restriction, ids);
  const visible = events.filter(({ taskId }) => seen.has(taskId));
  return eventsAsSeen(c.get('http').deps, restriction, visible);
}

/** Many follow the same events, so each is written as text once. */
const written = new WeakMap<StoredEvent, ServerEvent>();

async function* told(c: HttpContext, following: Following): AsyncGenerator<ServerEvent | null> {
  for await (const all of following) {
    const events = await visibleEvents(c, all);
    for (const event of events) {
      const known = written.get(event) ?? sameForAll(asServerEvent(event));
      written.set(event, known);
      yield known;
    }
    if (events.length === 0) yield null;
  }
}

const asServerEvent = (event: StoredEvent): ServerEvent => ({
  event: event.type,
  data: presentEvent(event),
  id: String(event.sequence),
});

export const eventsApi = () => api(list);
