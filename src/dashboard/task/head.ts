import { isFinal, type Task } from '../../domain/task.ts';
import { duration } from '../client/durations.ts';
import type { PageContext } from '../deps.ts';
import { type Html, html, outside } from '../html.ts';
import { objectOf, repositoryOf } from '../list/row.ts';
import { standingMark } from '../shapes.ts';
import { standingOf } from '../words/standing.ts';
import { secondsBetween, since } from '../words/times.ts';
import { nameOf, type TaskView } from './read-task.ts';

/** How the task stands, since when, where, and who asked for it. */
export const standingLine = (view: TaskView, nowMs: number): Html =>
  html`<p id="standing" class="standing">${standingMark(standingOf(view.task))} <span>${clockOf(view, nowMs)}</span> <span>${askedBy(view.task)}</span></p>`;

function clockOf(view: TaskView, nowMs: number): Html {
  const { task } = view;
  const started = task.attempt?.startedAt ?? null;
  if (task.status === 'pending') return html`for ${since(task.createdAt, nowMs, 'age')}`;
  if (task.status === 'assigned')
    return html`${agentOf(view, 'to')} ${since(task.assignedAt ?? task.createdAt, nowMs, 'age')} ago`;
  if (task.status === 'running') {
    return html`for ${since(started ?? task.assignedAt ?? task.createdAt, nowMs, 'duration')} ${agentOf(view, 'on')}`;
  }
  if (task.finishedAt === null) return html``;
  const took = started === null ? null : html` after ${duration(secondsBetween(started, task.finishedAt))}`;
  return html`${since(task.finishedAt, nowMs, 'age')} ago${took} ${agentOf(view, 'on')}`;
}

function agentOf(view: TaskView, word: 'to' | 'on'): Html | null {
  const id = view.task.assignedAgentId;
  return id === null ? null : html`${word} <b>${outside(nameOf(view, id))}</b>`;
}

function askedBy(task: Task): Html {
  const repository = repositoryOf(task);
  const object = task.source && objectOf(task.source);
  const place = [repository, object].filter((part) => part !== null).join(' ');
  const where = place === '' ? null : html` in ${linked(place, task.source?.url ?? null)}`;
  return html`asked by <b>${outside(task.createdBy.name)}</b>${where}`;
}

/** Only to the web: what a forge sends as an address may be anything. */
const linked = (text: string, url: string | null): Html =>
  url !== null && /^https?:\/\//i.test(url)
    ? html`<a href="${url}" rel="noreferrer">${outside(text)}</a>`
    : outside(text);

/** What the visitor can do about the task now. */
export function actions(c: PageContext, { task }: TaskView): Html {
  const canCancel = c.get('visitor').mayAct && !isFinal(task.status) && task.stopReason !== 'cancel';
  const cancel = canCancel
    ? html`<a class="button bad" href="/tasks/${task.id}/cancel" data-ask data-key="c">Cancel…</a>`
    : null;
  return html`<div id="actions" class="actions">${cancel}</div>`;
}
