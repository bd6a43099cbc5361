import { AppError, ERROR_CODES } from '../domain/errors.ts';
import { isDatabaseAway } from '../usecases/upkeep/readiness.ts';
import type { PageContext } from './deps.ts';
import { html } from './html.ts';
import { layout } from './layout.ts';

/** A page for every error of a page: what is, and what helps. Our own fault, or the database's, is logged once. */
export function errorPage(error: Error, c: PageContext): Response | Promise<Response> {
  const { log } = c.get('dashboard');
  const known = toAppError(error);
  const about = { err: error, method: c.req.method, path: c.req.path };
  if (known.code === 'unavailable') log.warn(about, 'a page found the database away or too busy');
  if (known.code === 'internal') log.error(about, 'a page failed');
  const [status, title] = ERROR_CODES[known.code];
  const main = html`<div class="width narrow"><h1>${title}</h1><p class="lead">${known.message}</p><p><a href="/">All tasks</a></p></div>`;
  return c.html(layout(c, { title, main, live: null }), status);
}

function toAppError(error: Error): AppError {
  if (error instanceof AppError) return error;
  if (isDatabaseAway(error))
    return new AppError('unavailable', 'The database does not answer now. Load the page again in a moment.');
  return new AppError('internal', 'This is a fault of the server. Its log tells more.');
}
