import { z } from 'zod';
import type { Versions } from '../domain/versions.ts';

export const ifMatch = (description: string) =>
  z.object({ 'if-match': z.string().max(255).optional().meta({ description, example: '"4"' }) });

/**
 * The versions that an If-Match names. Tags that can't be a version of ours match none: one without quotes, a weak one
 * (If-Match compares strongly), any other text.
 */
export function versionsIn(header: string): Versions {
  const tags = header.split(',').map((tag) => tag.trim());
  if (tags.includes('*')) return 'any';
  return tags.flatMap((tag) => {
    const digits = /^"(\d{1,9})"$/.exec(tag)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
}
