import type { TestDatabase } from './database.ts';

/** A way to a database on which none of its tables is found. */
export function blindConnection({ connectionString }: Pick<TestDatabase, 'connectionString'>): string {
  const options = encodeURIComponent('-c search_path=nowhere');
  return `${connectionString}${connectionString.includes('?') ? '&' : '?'}options=${options}`;
}
