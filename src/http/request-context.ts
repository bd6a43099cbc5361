import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import type { HttpContext, HttpDeps, HttpEnv } from './env.ts';

/** For answers that are data. Pages say what they need instead. */
const HEADERS = Object.entries({
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
});

/**
 * Gives a request its id and its place in the log, and every answer the headers that all have. Measures it by the route
 * that answered it, so that there are as many figures as routes.
 */
export const requestContext = (http: HttpDeps) =>
  createMiddleware<HttpEnv>(async (c, next) => {
    const beganMs = performance.now();
    const requestId = crypto.randomUUID();
    c.set('http', http);
    c.set('requestId', requestId);
    await next();
    answerHeaders(c, requestId);
    const { method, path } = c.req;
    const { status } = c.res;
    const ms = performance.now() - beganMs;
    http.metrics.answered(method, routePath(c), status, ms / 1000);
    http.log.debug({ requestId, method, path, status, ms: Math.round(ms) }, 'answered');
  });

/** A header of an answer, straight to it: it is written without being made twice. */
export const answerHeader = (c: HttpContext, name: string, value: string): void =>
  void c.env.outgoing.setHeader(name, value);

/** Straight to the answer, where what a route sets goes before these; and late, so that nobody who waits holds them. */
function answerHeaders(c: HttpContext, requestId: string): void {
  const { outgoing } = c.env;
  outgoing.setHeader('X-Request-Id', requestId);
  for (const [name, value] of HEADERS) outgoing.setHeader(name, value);
  // Who stops soon must not be asked for more over the same connection.
  if (c.get('http').stopping.aborted) outgoing.setHeader('Connection', 'close');
}
