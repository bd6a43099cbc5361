import type { Problem } from '../contract/problem.ts';
import { type AppError, ERROR_CODES } from '../domain/errors.ts';
import type { HttpContext } from './env.ts';

/** After how long a caller may come again who was told that the service is not available. */
export const RETRY_AFTER_SECONDS = 2;

/** The one form of an answer that is no success. */
export function problemResponse(c: HttpContext, error: AppError, headers: Record<string, string> = {}): Response {
  const [status, title] = ERROR_CODES[error.code];
  const problem: Problem = {
    type: 'about:blank',
    title,
    status,
    code: error.code,
    detail: error.message,
    ...(error.fields.length > 0 ? { errors: [...error.fields] } : {}),
    ...error.extra,
    request_id: c.get('requestId'),
  };
  return c.body(JSON.stringify(problem), status, {
    'Content-Type': 'application/problem+json',
    ...headersOf(error),
    ...headers,
  });
}

function headersOf({ code, extra }: AppError): Record<string, string> {
  if (code === 'unauthenticated') return { 'WWW-Authenticate': 'Bearer realm="taskejo"' };
  if (code === 'range_not_satisfiable') return { 'Content-Range': `bytes */${extra.bytes}` };
  if (code === 'rate_limited' || code === 'unavailable') {
    return { 'Retry-After': String(extra.retry_after_seconds ?? RETRY_AFTER_SECONDS) };
  }
  return {};
}
