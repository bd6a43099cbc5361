import type { Token } from '../../domain/token.ts';
import { listTokens as listRows } from '../../store/tokens.ts';
import { type Page, type PageOf, pageOf, readCursor, writeCursor } from '../cursor.ts';
import type { Deps } from '../deps.ts';

/** Tokens that aren't revoked, newest first. */
export async function listTokens(deps: Deps, page: Page): Promise<PageOf<Token>> {
  const [createdAt, id] = page.cursor === null ? [] : readCursor('tokens', page.cursor, ['time', 'uuid']);
  const after = createdAt !== undefined && id !== undefined ? { createdAt, id } : null;
  const tokens = await listRows(deps.db, page.limit + 1, after);
  return pageOf(tokens, page.limit, (last) => writeCursor('tokens', last.createdAt, last.id));
}
