import { HTTPException } from 'hono/http-exception';
import type { z } from 'zod';
import { AppError, type ErrorCode, type FieldError, notFound } from '../domain/errors.ts';
import { isDatabaseAway } from '../usecases/upkeep/readiness.ts';
import type { HttpContext } from './env.ts';
import { problemResponse } from './problem.ts';

/** Every error of a request ends here: what is our own fault, or the database's, is logged once. */
export function answerError(error: Error, c: HttpContext): Response {
  const { log } = c.get('http');
  const known = toAppError(error);
  const about = { requestId: c.get('requestId'), method: c.req.method, path: c.req.path };
  if (known.code === 'unavailable') log.warn({ ...about, err: error }, 'a request found the database away or too busy');
  if (known.code === 'internal') log.error({ ...about, err: error }, 'a request failed');
  return problemResponse(c, known);
}

function toAppError(error: Error): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof HTTPException) return fromStatus(error.status, error.message);
  if (isDatabaseAway(error)) {
    return new AppError('unavailable', 'The database does not answer now, or is too busy. Try again.');
  }
  return new AppError('internal', 'This is a fault of the server. Its log tells more under the request id.');
}

/** What the libraries refuse by themselves. */
function fromStatus(status: number, message: string): AppError {
  const codes: Record<number, ErrorCode> = {
    400: 'malformed',
    404: 'not_found',
    413: 'too_large',
    415: 'unsupported_media_type',
  };
  return new AppError(codes[status] ?? 'internal', message);
}

type Checked = { target: string } & ({ success: true } | { success: false; error: z.ZodError });

/** What a schema refused, by field. An id in the path that can't be one is of nothing that there is. */
export function refuseInvalid(checked: Checked): void {
  if (checked.success) return;
  if (checked.target === 'param') throw notFound('thing');
  const fields = checked.error.issues.flatMap((issue) => fieldErrors(issue, checked.target));
  const [first] = fields;
  const detail = first === undefined ? 'The request is not valid.' : `${first.field}: ${first.message}`;
  throw new AppError('invalid', fields.length > 1 ? `${detail} (and ${fields.length - 1} more)` : detail, { fields });
}

function fieldErrors(issue: z.core.$ZodIssue, target: string): FieldError[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const what = target === 'query' ? 'parameter' : 'field';
    return issue.keys.map((key) => ({ field: [...path, key].join('.'), message: `is not a ${what} known here` }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return ofUnion(issue, target);
  return [{ field: path.join('.') || 'body', message: messageOf(issue) }];
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'is missing';
  // Of a name that is refused, why: that there is something wrong with it is no help.
  return issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
}

/**
 * What may be of several kinds is judged as the one that it resembles. Where it resembles none, or that one as a whole,
 * the schema's words for all of them say more.
 */
function ofUnion({ errors, path, message }: z.core.$ZodIssueInvalidUnion, target: string): FieldError[] {
  const resembling = errors.filter((issues) => !issues.some((one) => one.path.length === 0 && isOtherKind(one)));
  const [only] = resembling.length === 1 ? resembling : [];
  const field = path.map(String).join('.') || 'body';
  if (message !== NO_WORDS && (only ?? []).every(isOfWhole)) return [{ field, message }];
  const inner = resembling.flat().flatMap((one) => fieldErrors({ ...one, path: [...path, ...one.path] }, target));
  if (inner.length > 0) return [...new Map(inner.map((one) => [JSON.stringify(one), one])).values()];
  return [{ field, message: [...new Set(errors.flat().map(messageOf))].join(', or ') }];
}

/** What the library says of a union that has no words of its own. */
const NO_WORDS = 'Invalid input';

const isOfWhole = ({ code, path }: z.core.$ZodIssue): boolean =>
  path.length === 0 && code !== 'unrecognized_keys' && code !== 'custom';
const isOtherKind = ({ code }: z.core.$ZodIssue): boolean => code === 'invalid_type';
