import { createRoute, OpenAPIHono, type OpenAPIRoute, type RouteConfig } from '@hono/zod-openapi';
import type { Handler } from 'hono';
import { z } from 'zod';
import { DEFAULT_LIMIT, id, pageQuery } from '../contract/common.ts';
import { problem } from '../contract/problem.ts';
import { ERROR_CODES, type ErrorCode } from '../domain/errors.ts';
import { ADMITTED, type Admitted, admit } from './auth.ts';
import { checked } from './checked.ts';
import type { HttpContext, HttpEnv } from './env.ts';

/** What a request has to pass before it is handled. Throws where it may not. */
export type Guard = (c: HttpContext) => unknown;
type Guarded = Omit<RouteConfig, 'middleware'> & { guards?: readonly Guard[] };
export type Endpoint = { route: Guarded; handler: unknown };

/** A route beside what handles it, which knows the route's parameters, body and answers. */
export const endpoint = <const R extends Guarded>(
  route: R,
  handler: OpenAPIRoute<R, HttpEnv>['handler'],
): Endpoint => ({ route, handler });

/** A part of the API, to be mounted. The library describes it; what a request carries is checked by us, in one step. */
export function api(...endpoints: readonly Endpoint[]): OpenAPIHono<HttpEnv> {
  const app = new OpenAPIHono<HttpEnv>();
  for (const { route, handler } of endpoints) {
    const { guards = [], ...described } = route;
    app.openAPIRegistry.registerPath(described);
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    app.on(route.method, [path], guarded([...guards, checked(route)], handler as Handler<HttpEnv>));
  }
  return app;
}

/** All steps of a route in one layer: each of its own would cost every call, and be held by everybody who waits. */
const guarded =
  (guards: readonly Guard[], handler: Handler<HttpEnv>): Handler<HttpEnv> =>
  async (c, next) => {
    for (const guard of guards) await guard(c);
    return handler(c, next);
  };

/** An answer of JSON. */
export const answers = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});

/** A body of JSON. */
export const takes = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { 'application/json': { schema } },
});

/** The page that a list is asked for. */
export const pageAsked = ({ limit, cursor }: { limit?: number | undefined; cursor?: string | undefined }) => ({
  limit: limit ?? DEFAULT_LIMIT,
  cursor: cursor ?? null,
});
export const pageOnly = z.strictObject(pageQuery);

export const idInPath = z.object({ id });

type Described = Omit<RouteConfig, 'path' | 'middleware' | 'security'> & { path: string };

/** A route for who is admitted. The document says who, and which problems it answers with. */
export function apiRoute<const R extends Described>(who: Admitted, codes: readonly ErrorCode[], route: R) {
  const description = [route.description, `For: ${ADMITTED[who].join(', ')}.`].filter(Boolean).join('\n\n');
  // Where none is known, every parameter is refused, as a field would be.
  const strict = { ...route, request: { query: z.strictObject({}), ...route.request } };
  return {
    ...withProblems([...codes, ...usual(strict), ...ofCaller(who)], strict as R),
    description,
    security: [{ token: [] }],
    guards: [admit(who, route)],
  };
}

/** A route for anybody. */
export const openRoute = <const R extends Described>(codes: readonly ErrorCode[], route: R) =>
  withProblems(codes, route);

function withProblems<const R extends Described>(codes: readonly ErrorCode[], route: R) {
  // Problems are thrown, so handlers needn't know that they are answers too.
  const all = { ...route, responses: { ...route.responses, ...problemAnswers([...codes, 'unavailable']) } } as R;
  return createRoute(all);
}

/** What may be wrong with who calls. */
const ofCaller = (who: Admitted): ErrorCode[] => [
  'unauthenticated',
  'forbidden',
  'rate_limited',
  ...(ADMITTED[who].some((role) => role === 'agent')
    ? (['address_not_allowed', 'instance_conflict', 'malformed'] as const)
    : []),
];

const usual = ({ request }: Described): ErrorCode[] => [
  ...(request?.params ? (['not_found'] as const) : []),
  ...(request?.body ? (['malformed', 'too_large', 'unsupported_media_type'] as const) : []),
  ...(request?.body || request?.query ? (['invalid'] as const) : []),
];

function problemAnswers(codes: readonly ErrorCode[]): RouteConfig['responses'] {
  const byStatus = Object.groupBy(new Set([...codes, 'internal' as const]), (code) => ERROR_CODES[code][0]);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, list]) => [
      status,
      {
        description: (list ?? []).map((code) => `\`${code}\`: ${ERROR_CODES[code][1]}`).join('; '),
        content: { 'application/problem+json': { schema: problem } },
      },
    ]),
  );
}
