import type { Attempt } from '../../domain/attempt.ts';
import { type Html, html, outside } from '../html.ts';
import { logBox } from '../log/log-box.ts';
import type { LogView } from '../log/read-window.ts';
import { shape } from '../shapes.ts';
import type { Standing } from '../words/standing.ts';
import { type TaskQuery, taskAddress } from './query.ts';
import { nameOf, type TaskView } from './read-task.ts';

/** The attempt that the address asks for, else the last; null before the first. */
export const chosenAttempt = ({ attempts }: TaskView, { attempt }: TaskQuery): Attempt | null =>
  attempts.find(({ number }) => number === attempt) ?? attempts[0] ?? null;

/** The attempts as tabs, and the log of the one that is chosen. */
export function attemptsSection(view: TaskView, query: TaskQuery, log: LogView | null): Html {
  const chosen = chosenAttempt(view, query);
  if (chosen === null || log === null) return html`<section id="attempts" data-attempt=""></section>`;
  return html`<section id="attempts" data-attempt="${chosen.id}">${tabs(view, query)}${logBox(view.task.id, chosen, query, log)}</section>`;
}

export function tabs(view: TaskView, query: TaskQuery): Html {
  const chosen = chosenAttempt(view, query);
  if (view.attempts.length < 2) return html`<div id="tabs"><h2>Log</h2></div>`;
  const links = view.attempts.map((attempt) => {
    const current = attempt.id === chosen?.id ? html` aria-current="true"` : null;
    const address = taskAddress({ ...query, attempt: attempt.number, line: null });
    return html`<a href="${address}"${current}>${mark(attempt, view)}Attempt ${attempt.number}${note(attempt, view)}</a>`;
  });
  return html`<nav id="tabs" class="tabs" aria-label="Attempts">${links}</nav>`;
}

const OUTCOMES: Record<NonNullable<Attempt['outcome']>, Standing> = {
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  lost: 'lost',
  released: 'pending',
  preempted: 'cancelled',
};

function mark({ outcome }: Attempt, { task }: TaskView): Html {
  const standing = outcome === null ? (task.status === 'running' ? 'running' : 'assigned') : OUTCOMES[outcome];
  return html`<span class="mark ${standing}">${shape(standing)}</span>`;
}

const note = (attempt: Attempt, view: TaskView): Html => {
  const how = attempt.outcome === null ? '' : `${attempt.outcome} `;
  return html` <span class="count">${how}on ${outside(nameOf(view, attempt.agentId))}</span>`;
};
