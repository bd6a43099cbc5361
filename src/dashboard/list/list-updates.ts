import type { Html } from '../html.ts';
import { digest } from '../live/digest.ts';
import { listContent, pageLinks, rowOf, rows, sameRow, statusLinks } from './list-page.ts';
import type { ListQuery } from './query.ts';
import type { ListView } from './read-list.ts';
import { refusedNote } from './refused.ts';

type TasksView = Extract<ListView, { kind: 'tasks' }>;

/**
 * What to send a browser that shows a list so that it shows the list as it is. `seen` is the digest of what it has;
 * from then on only what changed is sent.
 */
export function createListUpdates(query: ListQuery, seen: string | null) {
  let last: ListView | null = null;
  return (view: ListView, nowMs: number): { id: string; parts: Html[] } | null => {
    const id = digest(view);
    const known = last === null ? id === seen : id === digest(last);
    const before = last;
    last = view;
    if (known) return null;
    const sameKind = before?.kind === 'tasks' && view.kind === 'tasks';
    return { id, parts: sameKind ? changes(before, view, query, nowMs) : [listContent(view, query, nowMs)] };
  };
}

function changes(before: TasksView, view: TasksView, query: ListQuery, nowMs: number): Html[] {
  const known = new Map(before.rows.map((row) => [row.id, JSON.stringify(row)]));
  const all = view.rows.map((row) => (known.get(row.id) === JSON.stringify(row) ? sameRow(row) : rowOf(row, nowMs)));
  return [refusedNote(view.refused), statusLinks(view.counts, query), rows(all), pageLinks(view, query)];
}
