import { STATUSES } from '../../domain/task.ts';
import { visible } from '../../domain/visible.ts';
import { duration } from '../client/durations.ts';
import { type Html, html, outside } from '../html.ts';
import { standingMark } from '../shapes.ts';
import { count, priorityName } from '../words/amounts.ts';
import { modeWord } from '../words/standing.ts';
import { exact, secondsBetween, since } from '../words/times.ts';
import { type ListQuery, listAddress } from './query.ts';
import type { Counts, ListView } from './read-list.ts';
import { refusedNote } from './refused.ts';
import type { Row } from './row.ts';
import { stepsContent } from './steps-page.ts';

/** Everything below the top bar. */
export const listContent = (view: ListView, query: ListQuery, nowMs: number): Html =>
  view.kind === 'steps' ? stepsContent(view.steps, nowMs) : tasksContent(view, query, nowMs);

type TasksView = Extract<ListView, { kind: 'tasks' }>;

const tasksContent = (view: TasksView, query: ListQuery, nowMs: number): Html => html`
<div id="content" class="width" data-kind="tasks">
<div class="title"><h1>Tasks</h1>${sortLinks(query)}</div>
${refusedNote(view.refused)}${statusLinks(view.counts, query)}
<table class="tasks"><caption>Tasks, ${query.sort === 'rank' ? 'in the order of the queue' : 'newest first'}</caption>
<thead><tr><th scope="col">Status</th><th scope="col">Task</th><th scope="col">Repository</th><th scope="col">Template</th><th scope="col">Mode</th><th scope="col">Agent, or why it waits</th><th scope="col">Priority</th><th scope="col" class="right">Age or time</th></tr></thead>
${rows(view.rows.map((row) => rowOf(row, nowMs)))}
</table>
${pageLinks(view, query)}
</div>`;

/** The body of the table. In a list of what changed, unchanged rows may be left empty: see {@link sameRow}. */
export const rows = (all: readonly Html[]): Html =>
  html`<tbody id="rows" data-list>${all.length === 0 ? nothing : all}</tbody>`;

const nothing = html`<tr class="nothing" id="nothing"><td colspan="8">No task matches. <a href="/">Clear the filters</a></td></tr>`;

/** Stands for a row that the browser has already. */
export const sameRow = ({ id }: Row): Html => html`<tr id="t-${id}" data-same></tr>`;

export const rowOf = (row: Row, nowMs: number): Html => html`
<tr id="t-${row.id}"><td>${standingMark(row.standing)}</td><td class="name"><a id="a-${row.id}" href="/tasks/${row.id}" title="${visible(row.title)}" data-row>${outside(row.title)}</a></td><td class="cut">${place(row)}</td><td class="cut">${row.template === null ? null : outside(row.template)}</td><td title="${row.mode}">${modeWord(row.mode)}</td><td class="cut who">${who(row)}</td><td class="priority"><span class="number">${row.priority}</span> ${priorityName(row.priority)}</td><td class="right">${time(row, nowMs)}</td></tr>`;

const place = ({ repository, object }: Row): Html | null =>
  repository === null
    ? null
    : html`<span title="${visible(repository)}">${outside(repository)}</span>${object === null ? null : html` <b>${outside(object)}</b>`}`;

function who({ who }: Row): Html {
  if (who === null) return html`<span class="faint">none</span>`;
  if ('agent' in who) return outside(who.agent);
  const [label, ...more] = who.labels;
  const missing =
    label === undefined
      ? null
      : html` <code class="warn">${label}</code>${more.length === 0 ? null : html` +${more.length}`}`;
  return html`<span title="${visible([who.waits, ...who.labels].join(' '))}">${outside(who.waits)}${missing}</span>`;
}

function time({ time }: Row, nowMs: number): Html {
  if (time === null) return html`<span class="faint">–</span>`;
  if ('since' in time) return since(time.since, nowMs, time.form);
  const title = `from ${exact(time.from)} to ${exact(time.to)}`;
  return html`<span title="${title}">${duration(secondsBetween(time.from, time.to))}</span>`;
}

export function statusLinks(counts: Counts, query: ListQuery): Html {
  const link = (status: ListQuery['status'], word: string, tasks: number) => {
    const current = status === query.status ? html` aria-current="true"` : null;
    const address = listAddress({ ...query, status, cursor: null });
    return html`<a href="${address}"${current}>${word} <span class="count">${count(tasks)}</span></a>`;
  };
  const each = STATUSES.map((status) => link(status, `${status[0]?.toUpperCase()}${status.slice(1)}`, counts[status]));
  return html`<nav id="statuses" class="tabs" aria-label="Status">${link(null, 'All', counts.all)}${each}</nav>`;
}

function sortLinks(query: ListQuery): Html {
  const link = (sort: ListQuery['sort'], word: string) => {
    const current = sort === query.sort ? html` aria-current="true"` : null;
    return html`<a href="${listAddress({ ...query, sort, cursor: null })}"${current}>${word}</a>`;
  };
  return html`<nav class="choice" aria-label="Order">${link('created', 'Newest')}${link('rank', 'Order of the queue')}</nav>`;
}

export function pageLinks({ nextCursor }: TasksView, query: ListQuery): Html {
  const first =
    query.cursor === null
      ? null
      : html`<a class="button" href="${listAddress({ ...query, cursor: null })}">First page</a>`;
  const next =
    nextCursor === null
      ? null
      : html`<a class="button" rel="next" href="${listAddress({ ...query, cursor: nextCursor })}">${query.sort === 'rank' ? 'Next' : 'Older'}</a>`;
  return html`<nav id="pages" class="pages" aria-label="More tasks">${first}${next}</nav>`;
}
