import { z } from 'zod';
import type { Json } from '../domain/canonical-json.ts';

/** Text that PostgreSQL and a program's arguments can hold: UTF-8 without NUL or half a surrogate pair. */
export const text = () =>
  z.string().refine((value) => !value.includes('\0') && value.isWellFormed(), 'must be text without NUL');

/** Any JSON that PostgreSQL can hold: its texts as {@link text} has them. */
export const json = (): z.ZodType<Json, Json> =>
  z.unknown().refine(isStorable, 'must hold no text with NUL or half a surrogate pair') as unknown as z.ZodType<
    Json,
    Json
  >;

function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, member]) => isStorable(key) && isStorable(member));
}

export const id = z.uuid();
/** RFC 3339 in UTC. */
export const time = z.iso.datetime({ offset: true });
/** A time with any offset, as times are kept: in UTC with six digits of the second. */
export const inUtc = (moment: string): string => new Date(moment).toISOString().replace('Z', '000Z');

export const label = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._:/-]{0,63}$/, 'must be 1–64 of a–z 0–9 . _ : / -, the first a letter or digit');
export const labels = z.array(label).max(32);

/** A shell owns these: setting one breaks it, or is not passed on, so no command can be given them. */
export const SHELL_OWNED_NAME =
  /^(?:_|UID|EUID|PPID|GROUPS|SHELLOPTS|BASHOPTS|OPTIND|OPTARG|OPTERR|LINENO|IFS|ENV|BASH_ENV|PS4)$/;

export const agentId = text().min(1).max(255);
export const reason = text().min(1).max(1000);
export const processIdentity = z.strictObject({
  pid: z.int().positive(),
  started_at: text().max(200),
  boot_id: text().max(200),
});

/** A page of a list; `next_cursor` is null on the last one. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next_cursor: z.string().nullable() });

const MAX_LIMIT = 200;
export const DEFAULT_LIMIT = 50;
/** Query parameters that every list takes. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a number from 1 to 200')
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_LIMIT, 'must be a number from 1 to 200')
    .optional()
    .meta({ type: 'integer', minimum: 1, maximum: MAX_LIMIT, description: `${DEFAULT_LIMIT} unless said` }),
  cursor: z.string().max(500).optional().meta({ description: 'The `next_cursor` of the page before' }),
};
