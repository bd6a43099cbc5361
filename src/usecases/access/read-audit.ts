import { listActs, type StoredAct } from '../../store/audit.ts';
import { type Page, type PageOf, pageOf, readCursor, writeCursor } from '../cursor.ts';
import type { Deps } from '../deps.ts';

export type { StoredAct };

/** Acts that belong to no task, newest first. */
export async function listAudit(deps: Pick<Deps, 'db'>, page: Page): Promise<PageOf<StoredAct>> {
  const [day, n] = page.cursor === null ? [] : readCursor('audit', page.cursor, ['day', 'number']);
  const before = day !== undefined && n !== undefined ? { day, n: Number(n) } : null;
  const acts = await listActs(deps.db, page.limit + 1, before);
  return pageOf(acts, page.limit, (last) => writeCursor('audit', last.day, String(last.n)));
}
