import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { createMiddleware } from 'hono/factory';
import { AppError } from '../domain/errors.ts';
import { findVisitor } from './access/visitor.ts';
import type { PageContext, PageEnv } from './deps.ts';
import { pageHeaders } from './headers.ts';
import { reloadStream } from './live/stream.ts';

type Steps = [MiddlewareHandler<PageEnv>, MiddlewareHandler<PageEnv>, MiddlewareHandler<PageEnv>];

/** Fields of a form are short. */
const MAX_FORM_BYTES = 16 * 1024;

/** Where to sign in, and what to come back to. */
const signInAddress = (c: PageContext): string => {
  const { pathname, search } = new URL(c.req.url);
  return `/login?${new URLSearchParams({ next: c.req.method === 'GET' ? pathname + search : '/' })}`;
};

/** Lets in who may look; others are sent to `otherwise`. */
const visitorOr = (otherwise: (c: PageContext) => Response) =>
  createMiddleware<PageEnv>(async (c, next) => {
    const visitor = await findVisitor(c);
    if (visitor === null) return otherwise(c);
    c.set('visitor', visitor);
    return next();
  });

/** What every page goes through that isn't for everybody. */
export const forVisitors: Steps = [pageHeaders, compress(), visitorOr((c) => c.redirect(signInAddress(c), 303))];
/** The same for what such a page gets its news from, which can't be sent elsewhere. */
export const forVisitorsLive: [MiddlewareHandler<PageEnv>, MiddlewareHandler<PageEnv>] = [
  pageHeaders,
  visitorOr(reloadStream),
];
/** Pages that anybody may see. */
export const forAnybody: [MiddlewareHandler<PageEnv>, MiddlewareHandler<PageEnv>] = [pageHeaders, compress()];

export const smallForm = bodyLimit({
  maxSize: MAX_FORM_BYTES,
  onError: () => {
    throw new AppError('too_large', 'The form is too long.');
  },
});

/** The fields of a form that we made for this browser. Throws `forbidden` for any other. */
export async function readForm(c: PageContext): Promise<Record<string, string>> {
  const fields = await c.req.parseBody().catch(() => ({}));
  c.get('access').checkForm(c, fields);
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => typeof field[1] === 'string'),
  );
}
