import type { PageContext } from '../deps.ts';
import { type Html, html, outside } from '../html.ts';
import { writeReached } from '../log/log-box.ts';
import type { LogView } from '../log/read-window.ts';
import { shortId } from '../words/amounts.ts';
import { aboutSection } from './about.ts';
import { attemptsSection, chosenAttempt } from './attempts.ts';
import { commandSection } from './command.ts';
import { actions, standingLine } from './head.ts';
import { historySection } from './history.ts';
import { nowSection } from './now.ts';
import { type TaskQuery, taskAddress } from './query.ts';
import { type TaskView, viewDigest } from './read-task.ts';

export function taskContent(c: PageContext, view: TaskView, query: TaskQuery, log: LogView | null): Html {
  const nowMs = c.get('dashboard').epochMs();
  return html`<div class="width">
<nav class="crumbs" aria-label="Where this is"><a href="/">Tasks</a> <span aria-hidden="true">/</span> <code title="${view.task.id}">${shortId(view.task.id)}</code></nav>
<div class="title"><h1>${outside(view.task.title)}</h1>${actions(c, view)}</div>
${standingLine(view, nowMs)}
<div class="columns"><div class="wide">${nowSection(view, nowMs)}${attemptsSection(view, query, log)}${commandSection(view)}</div>
<aside>${aboutSection(view, nowMs)}${historySection(view, nowMs)}</aside></div>
</div>`;
}

/** The parts of the page that change with the task; the log has its own way. */
export function changingParts(c: PageContext, view: TaskView): Html[] {
  const nowMs = c.get('dashboard').epochMs();
  return [
    actions(c, view),
    standingLine(view, nowMs),
    nowSection(view, nowMs),
    aboutSection(view, nowMs),
    historySection(view, nowMs),
  ];
}

/** Where the news for a page come from, which knows what the page has already. */
export function liveAddress(view: TaskView, query: TaskQuery, log: LogView | null): string {
  const chosen = chosenAttempt(view, query);
  const address = new URL(taskAddress(query, `/tasks/${view.task.id}/live`), 'http://site.invalid');
  address.searchParams.set('seen', viewDigest(view));
  if (chosen !== null && log !== null) address.searchParams.set('log', reached(chosen.id, log));
  return `${address.pathname}${address.search}`;
}

/** A page that doesn't show the end of a log can't add to it. */
const reached = (attemptId: string, log: LogView): string => (log.later ? 'none' : writeReached(attemptId, log));
