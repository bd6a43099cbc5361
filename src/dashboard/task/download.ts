import { Hono } from 'hono';
import { notFound } from '../../domain/errors.ts';
import { readLogInOrder } from '../../usecases/log/read-log-in-order.ts';
import type { PageContext, PageEnv } from '../deps.ts';
import { forVisitors } from '../pages.ts';
import { shortId } from '../words/amounts.ts';
import { chosenAttempt } from './attempts.ts';
import { readTaskQuery, streamsOf } from './query.ts';
import { requireTask } from './require-task.ts';

export const downloadRoutes = (): Hono<PageEnv> =>
  new Hono<PageEnv>().get('/tasks/:id/log', ...forVisitors, downloadLog);

/** The bytes of a log that are kept, as they were written, with a line where some are missing. */
async function downloadLog(c: PageContext): Promise<Response> {
  const view = await requireTask(c);
  const query = readTaskQuery(c.req.query());
  const attempt = chosenAttempt(view, query);
  const log = attempt && (await readLogInOrder(c.get('dashboard').deps, attempt.id, streamsOf(query)));
  if (log === null) throw notFound('log');
  const next = { stdout: 0, stderr: 0 };
  const pieces = log.runs.flatMap(({ stream, offset, bytes }) => {
    const leftOut = offset - next[stream];
    next[stream] = offset + bytes.length;
    return leftOut === 0 ? [bytes] : [Buffer.from(`\n[${leftOut} bytes left out]\n`), bytes];
  });
  const name = [`task-${shortId(view.task.id)}`, attempt?.number, query.stream].filter(Boolean).join('-');
  return c.body(Buffer.concat(pieces), 200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Disposition': `attachment; filename="${name}.log"`,
  });
}
