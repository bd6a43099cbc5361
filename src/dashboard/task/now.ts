import { isFinal, type Task } from '../../domain/task.ts';
import { type Html, html, outside } from '../html.ts';
import { since, until } from '../words/times.ts';
import { waits } from '../words/waiting.ts';
import { nameOf, type TaskView } from './read-task.ts';
import { resultSection } from './result.ts';

/** What matters most of a task as it stands: why it waits, how far it is, or what came out. */
export function nowSection(view: TaskView, nowMs: number): Html {
  const { status } = view.task;
  if (isFinal(status)) return html`<section id="now">${resultSection(view)}</section>`;
  const section = status === 'pending' ? whyItWaits(view, nowMs) : progress(view, nowMs);
  return html`<section id="now">${section}</section>`;
}

function whyItWaits(view: TaskView, nowMs: number): Html {
  const { task } = view;
  const named = task.namedAgentId && nameOf(view, task.namedAgentId);
  const { sentence, helps, labels } = waits(task, named, nowMs);
  const missing =
    labels.length === 0
      ? null
      : html`<p class="labels">${labels.map((label) => html`<code class="warn">${label}</code> `)}</p>`;
  const code = task.waitingReason === null ? null : html`<p class="code">${task.waitingReason}</p>`;
  return html`<h2>Why it waits</h2><div class="box said"><p class="strong">${outside(sentence)}</p>${missing}<p class="soft">${outside(helps)}</p>${code}</div>`;
}

function progress({ task, names }: TaskView, nowMs: number): Html {
  const { percent = null, message = null } = task.attempt?.progress ?? {};
  const bar =
    percent === null
      ? null
      : html`<progress max="100" value="${percent}" aria-label="Progress"></progress><b>${Math.round(percent)}%</b>`;
  const said = message === null ? null : html`<span>${outside(message)}</span>`;
  return html`${notices(task, names, nowMs)}<div class="progress"><div>${bar}${said ?? (bar === null ? html`<span class="faint">no progress told yet</span>` : null)}</div>${deadline(task, nowMs)}</div>`;
}

function deadline(task: Task, nowMs: number): Html | null {
  const started = task.attempt?.startedAt ?? null;
  if (started === null) return null;
  const ends = new Date(Date.parse(started) + task.timeoutSeconds * 1000).toISOString();
  return html`<span class="soft">stops at the latest in ${until(ends, nowMs)}</span>`;
}

function notices(task: Task, names: TaskView['names'], nowMs: number): Html {
  const { stopReason, stopDetail, attempt } = task;
  const asked = {
    cancel: 'Asked to stop',
    timeout: 'Asked to stop: its time is over',
    preempted: 'Asked to make room',
  };
  const detail = stopReason === 'cancel' && stopDetail !== null ? html`: ${outside(stopDetail)}` : null;
  const agent = attempt && (names.get(attempt.agentId) ?? attempt.agentId);
  const silent = attempt?.contact?.state === 'unreachable' && agent !== null;
  return html`${stopReason === null ? null : html`<p class="notice">${asked[stopReason]}${detail}</p>`}${silent ? html`<p class="notice">${outside(agent)} has not answered for ${since(attempt.contact?.since ?? '', nowMs, 'age')}. What runs there goes on.</p>` : null}`;
}
