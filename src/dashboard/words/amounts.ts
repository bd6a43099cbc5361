import { PRIORITY_NAMES } from '../../domain/task.ts';

/** `1,234` */
export const count = (number: number): string => number.toLocaleString('en');

const THOUSAND = 1000;
const SIZES = ['kB', 'MB', 'GB', 'TB'] as const;

/** `812 bytes`, `48 kB`, `1.2 MB` */
export function size(bytes: number): string {
  if (bytes < THOUSAND) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  let [value, unit] = [bytes / THOUSAND, 0];
  while (value >= THOUSAND - 0.5 && unit < SIZES.length - 1) [value, unit] = [value / THOUSAND, unit + 1];
  const digits = unit > 0 && value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${SIZES[unit]}`;
}

/** `medium` for 3; null for a number that has no name. */
export const priorityName = (priority: number): string | null =>
  Object.entries(PRIORITY_NAMES).find(([, number]) => number === priority)?.[0] ?? null;

export const priorityWords = (priority: number): string => `${priority} ${priorityName(priority) ?? ''}`.trimEnd();

/** Neighbours in time share the beginning of their ids, so the end tells them apart. */
export const shortId = (id: string): string => id.slice(-8);
