import type { CompiledTemplate } from '../../forgejo/templates.ts';
import { type Page, type PageOf, pageOf, readCursor, writeCursor } from '../cursor.ts';

/** The templates of the configuration, by name. */
export function listTemplates(templates: readonly CompiledTemplate[], page: Page): PageOf<CompiledTemplate> {
  const [after = ''] = page.cursor === null ? [] : readCursor('templates', page.cursor, ['text']);
  const items = templates
    .filter(({ name }) => name > after)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, page.limit + 1);
  return pageOf(items, page.limit, (last) => writeCursor('templates', last.name));
}
