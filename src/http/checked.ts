import type { RouteConfig } from '@hono/zod-openapi';
import { z } from 'zod';
import { issueWords } from '../contract/issue-words.ts';
import { readJson } from './body.ts';
import type { HttpContext } from './env.ts';
import { refuseInvalid } from './errors.ts';

const words = issueWords('an object');

/**
 * Checks all that a request carries by the schemas of its route, in one step, as this is done for every call; what
 * `c.req.valid` says comes from here. Throws `invalid`, `not_found` for an id that can't be one, and what
 * {@link readJson} throws.
 */
export const checked = ({ request }: Pick<RouteConfig, 'request'>) => {
  const { query, params, headers } = request ?? {};
  const media = request?.body?.content['application/json'];
  const json = media && 'schema' in media ? media.schema : undefined;
  return async (c: HttpContext): Promise<void> => {
    const body = json instanceof z.ZodType ? await readJson(c) : undefined;
    if (query) take(c, 'query', query, queryOf(c));
    if (params) take(c, 'param', params, c.req.param());
    if (headers instanceof z.ZodObject) take(c, 'header', headers, headersOf(c, headers));
    if (json instanceof z.ZodType) take(c, 'json', json, body);
  };
};

function take(c: HttpContext, target: 'query' | 'param' | 'header' | 'json', schema: z.ZodType, value: unknown): void {
  const result = schema.safeParse(value);
  if (result.success) c.req.addValidatedData(target, result.data as object);
  // Once more for the words, which few calls need.
  else refuseInvalid({ target, ...schema.safeParse(value, { error: words, reportInput: true }) });
}

/** Those that the route knows: to read all takes longer than the rest of a request. */
const headersOf = (c: HttpContext, { shape }: z.ZodObject): Record<string, string | undefined> =>
  Object.fromEntries(Object.keys(shape).map((name) => [name, c.req.header(name)]));

/** A parameter that comes once is a text, one that comes more often a list of them. */
function queryOf(c: HttpContext): Record<string, string | string[]> {
  if (!c.req.url.includes('?')) return {};
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => {
      const [first = ''] = values;
      return [name, values.length === 1 ? first : values];
    }),
  );
}
