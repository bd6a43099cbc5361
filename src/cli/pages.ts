import type { z } from 'zod';
import type { Client, Query } from './client.ts';

type Page<T> = { items: T[]; next_cursor: string | null };
const MOST_AT_ONCE = 200;

/** The first `limit` items of a list, page by page; `next_cursor` leads on. */
export async function readPages<T>(
  client: Client,
  path: string,
  schema: z.ZodType<Page<T>>,
  query: Query,
  limit: number,
): Promise<Page<T>> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const ask: Query = { ...query, limit: Math.min(MOST_AT_ONCE, limit - items.length), cursor: cursor ?? undefined };
    const page: Page<T> = await client.get(path, schema, ask);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null && items.length < limit);
  return { items, next_cursor: cursor };
}
