import { AppError } from '../domain/errors.ts';

/** Bytes from `start` up to but without `end`. */
export type ByteRange = { start: number; end: number };

/**
 * The part that a Range header asks for of so many bytes; null for the whole: no header, none that we understand, or
 * several ranges at once. Throws `range_not_satisfiable` for one that begins beyond the end.
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '') return last === '' ? null : suffix(Number(last), size);
  const start = Number(first);
  const end = last === '' ? size : Math.min(Number(last) + 1, size);
  if (last !== '' && Number(last) < start) return null;
  return start < size ? { start, end } : beyond(size);
}

const suffix = (length: number, size: number): ByteRange =>
  length > 0 && size > 0 ? { start: Math.max(0, size - length), end: size } : beyond(size);

function beyond(size: number): never {
  throw new AppError('range_not_satisfiable', `There are ${size} bytes.`, { extra: { bytes: size } });
}
