import { Hono } from 'hono';
import { visible } from '../../domain/visible.ts';
import type { PageContext, PageEnv } from '../deps.ts';
import { layout } from '../layout.ts';
import { lastId, liveStream } from '../live/stream.ts';
import { readWindow } from '../log/read-window.ts';
import { forVisitors, forVisitorsLive } from '../pages.ts';
import { chosenAttempt } from './attempts.ts';
import { cancelRoutes } from './cancel.ts';
import { downloadRoutes } from './download.ts';
import { followTask } from './follow.ts';
import { readTaskQuery, streamsOf } from './query.ts';
import { requireTask } from './require-task.ts';
import { liveAddress, taskContent } from './task-page.ts';
import { createTaskUpdates, readSeen } from './task-updates.ts';

/** One task: its page, what keeps that live, its logs, and cancelling it. */
export const taskRoutes = (): Hono<PageEnv> =>
  new Hono<PageEnv>()
    .get('/tasks/:id', ...forVisitors, showTask)
    .get('/tasks/:id/live', ...forVisitorsLive, streamTask)
    .route('/', downloadRoutes())
    .route('/', cancelRoutes());

async function showTask(c: PageContext): Promise<Response> {
  const { deps } = c.get('dashboard');
  const view = await requireTask(c);
  const query = readTaskQuery(c.req.query());
  const attempt = chosenAttempt(view, query);
  const log = attempt && (await readWindow(deps, attempt.id, streamsOf(query), query.line));
  const parts = { title: visible(view.task.title), main: taskContent(c, view, query, log) };
  return c.html(layout(c, { ...parts, live: liveAddress(view, query, log) }));
}

async function streamTask(c: PageContext): Promise<Response> {
  const { task } = await requireTask(c);
  const { seen, log } = c.req.query();
  const [lastSeen, ...lastLog] = lastId(c)?.split('~') ?? [];
  const has = lastSeen === undefined ? readSeen(seen, log) : readSeen(lastSeen, lastLog.join('~'));
  const updates = createTaskUpdates(c, readTaskQuery(c.req.query()), has, log !== 'none');
  return liveStream(c, (signal) => followTask(c, task.id, updates, signal));
}
