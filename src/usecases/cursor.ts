import { invalidField } from '../domain/errors.ts';
import { isUuid } from '../domain/uuid.ts';

/** One page of a list. `nextCursor` is null on the last one. */
export type Page = { limit: number; cursor: string | null };
export type PageOf<T> = { items: T[]; nextCursor: string | null };

const KINDS = {
  text: (part: string) => !part.includes('\0'),
  number: (part: string) => /^\d{1,16}$/.test(part),
  day: (part: string) => /^\d{4}-\d\d-\d\d$/.test(part) && isDay(part),
  time: (part: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(part),
  uuid: isUuid,
} as const;

const isDay = (text: string) => new Date(Date.parse(text) || 0).toISOString().startsWith(text);

/** The key of a page's last item, as text that only its own list takes back. */
export const writeCursor = (list: string, ...key: readonly string[]): string =>
  Buffer.from(JSON.stringify([list, ...key])).toString('base64url');

/** The key that {@link writeCursor} was given, its parts of these kinds; throws `invalid` for any other text. */
export function readCursor(list: string, cursor: string, kinds: readonly (keyof typeof KINDS)[]): string[] {
  const parts = decode(cursor);
  const [name, ...key] = parts;
  const fits = name === list && key.length === kinds.length;
  if (!fits || !kinds.every((kind, index) => KINDS[kind](key[index] ?? ''))) throw foreign();
  return key;
}

function decode(cursor: string): string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(parts) && parts.every((part) => typeof part === 'string')) return parts;
  } catch {
    // not JSON: not ours
  }
  throw foreign();
}

const foreign = () => invalidField('cursor', 'is not the next_cursor of a page of this list');

/** A page of items of which one more than `limit` was asked for, to know whether another page follows. */
export function pageOf<T>(items: T[], limit: number, cursorAfter: (last: T) => string): PageOf<T> {
  const last = items[limit - 1];
  return {
    items: items.slice(0, limit),
    nextCursor: items.length > limit && last !== undefined ? cursorAfter(last) : null,
  };
}
