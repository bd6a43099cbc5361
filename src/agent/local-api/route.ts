import { AppError, notFound } from '../../domain/errors.ts';

type Method = 'GET' | 'POST';
export type Handler = (asked: { attemptId: string; query: URLSearchParams }) => unknown;
/** `{attempt_id}` in a path stands for one part of it. */
export type Route = { method: Method; path: string; query?: readonly string[]; handler: Handler };

const ATTEMPT = '{attempt_id}';

export async function answerTo(routes: readonly Route[], method: string, url: URL): Promise<unknown> {
  const there = routes.filter(({ path }) => match(path, url.pathname) !== null);
  if (there.length === 0) throw notFound('path');
  const route = there.find((one) => one.method === method);
  if (route === undefined) throw new AppError('method_not_allowed', `${method} is not allowed here.`);
  const unknown = [...url.searchParams.keys()].find((name) => route.query?.includes(name) !== true);
  if (unknown !== undefined) throw new AppError('invalid', `${unknown}: is no parameter of this path`);
  return await route.handler({ attemptId: match(route.path, url.pathname) ?? '', query: url.searchParams });
}

/** What stands in the place of the attempt's id, an empty text where there is none; null: another path. */
function match(path: string, asked: string): string | null {
  const [before = '', after] = path.split(ATTEMPT);
  if (after === undefined) return path === asked ? '' : null;
  const id = asked.slice(before.length, asked.length - after.length);
  const fits = asked === `${before}${id}${after}` && /^[0-9A-Za-z-]+$/.test(id);
  return fits ? id : null;
}

/** Whether a flag of the query is set: `?dry_run`, `?dry_run=1`. @throws {AppError} for other words */
export function flag(query: URLSearchParams, name: string): boolean {
  const said = query.get(name) ?? '0';
  if (!['', '0', '1', 'false', 'true'].includes(said)) throw new AppError('invalid', `${name}: must be 0 or 1`);
  return !['0', 'false'].includes(said);
}
