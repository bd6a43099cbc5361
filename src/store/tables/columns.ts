import type { JSONColumnType } from 'kysely';

/** A JSON column: read as the value, written as its text. */
export type JsonOf<T> = JSONColumnType<T & object, string, string>;
export type JsonOrNull<T> = JSONColumnType<(T & object) | null, string | null, string | null>;
/** RFC 3339 in UTC with six digits of the second, in both directions. */
export type Time = string;
