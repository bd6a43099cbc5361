import { Hono } from 'hono';
import type { DashboardDeps, PageContext, PageEnv } from '../deps.ts';
import { layout } from '../layout.ts';
import { digest } from '../live/digest.ts';
import { lookAgain } from '../live/look-again.ts';
import { partsData } from '../live/message.ts';
import { lastId, liveStream } from '../live/stream.ts';
import { forVisitors, forVisitorsLive } from '../pages.ts';
import { listContent } from './list-page.ts';
import { createListUpdates } from './list-updates.ts';
import { type ListQuery, listAddress, readQuery } from './query.ts';
import { createListReader, type ReadList } from './read-list.ts';

/** The first page: all tasks, or before there is one the way to it. */
export function listRoutes(dashboard: DashboardDeps): Hono<PageEnv> {
  const read = createListReader(dashboard);
  return new Hono<PageEnv>()
    .get('/', ...forVisitors, (c) => showList(c, read))
    .get('/live', ...forVisitorsLive, (c) => followList(c, read));
}

async function showList(c: PageContext, read: ReadList): Promise<Response> {
  const query = readQuery(c.req.query());
  const view = await read(query, c.get('visitor').restriction);
  const title = view.kind === 'steps' ? 'First steps' : 'Tasks';
  const main = listContent(view, query, c.get('dashboard').epochMs());
  return c.html(layout(c, { title, main, live: liveAddress(query, digest(view)) }));
}

const liveAddress = (query: ListQuery, seen: string): string => {
  const address = listAddress(query, '/live');
  return `${address}${address.includes('?') ? '&' : '?'}seen=${seen}`;
};

function followList(c: PageContext, read: ReadList): Response {
  const { deps, epochMs } = c.get('dashboard');
  const query = readQuery(c.req.query());
  const { restriction } = c.get('visitor');
  const updates = createListUpdates(query, lastId(c) ?? c.req.query('seen') ?? null);
  return liveStream(c, (signal) =>
    lookAgain(
      deps,
      (hint) => hint.kind !== 'log',
      signal,
      async () => {
        const news = updates(await read(query, restriction), epochMs());
        return news === null ? [] : [{ id: news.id, data: partsData(news.parts) }];
      },
    ),
  );
}
