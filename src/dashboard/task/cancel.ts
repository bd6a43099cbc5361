import { Hono } from 'hono';
import { reason } from '../../contract/common.ts';
import { AppError, invalidField } from '../../domain/errors.ts';
import { isFinal } from '../../domain/task.ts';
import { cancelTask } from '../../usecases/task/cancel-task.ts';
import type { PageContext, PageEnv } from '../deps.ts';
import { type Html, html, outside } from '../html.ts';
import { formField, layout } from '../layout.ts';
import { forVisitors, readForm, smallForm } from '../pages.ts';
import { nameOf, type TaskView } from './read-task.ts';
import { requireTask } from './require-task.ts';

/** Cancelling asks first; the question has a page of its own, which a script may show over the task's. */
export const cancelRoutes = (): Hono<PageEnv> =>
  new Hono<PageEnv>()
    .get('/tasks/:id/cancel', ...forVisitors, askToCancel)
    .post('/tasks/:id/cancel', ...forVisitors, smallForm, cancel);

async function askToCancel(c: PageContext): Promise<Response> {
  const view = await requireTask(c);
  if (isFinal(view.task.status)) return c.redirect(`/tasks/${view.task.id}`, 303);
  requireActing(c);
  const main = html`<div class="width form">${question(c, view)}</div>`;
  return c.html(layout(c, { title: 'Cancel a task', main, live: null }));
}

const question = (c: PageContext, view: TaskView): Html => html`
<form id="question" class="box question" method="post" action="/tasks/${view.task.id}/cancel">
${formField(c)}
<h1>Cancel ${outside(view.task.title)}?</h1>
<p>${consequence(view)}</p>
<label for="reason">Why, for the history <span class="faint">(may stay empty)</span></label>
<input id="reason" name="reason" maxlength="1000" autocomplete="off">
<div class="end"><a class="button" href="/tasks/${view.task.id}" data-close>Leave it</a><button type="submit" class="filled bad">Cancel the task</button></div>
</form>`;

function consequence(view: TaskView): Html {
  const { task } = view;
  if (task.status === 'pending') return html`It has not started and never will.`;
  const agent = task.assignedAgentId === null ? null : nameOf(view, task.assignedAgentId);
  return html`${outside(agent ?? 'Its agent')} is told to stop it. What it has printed so far is kept.`;
}

async function cancel(c: PageContext): Promise<Response> {
  const fields = await readForm(c);
  const { task } = await requireTask(c);
  requireActing(c);
  await cancelTask(c.get('dashboard').deps, c.get('visitor').actor, task.id, reasonIn(fields.reason));
  return c.redirect(`/tasks/${task.id}`, 303);
}

function reasonIn(text = ''): string | null {
  if (text.trim() === '') return null;
  const parsed = reason.safeParse(text.trim());
  if (!parsed.success) throw invalidField('reason', 'is at most 1000 characters of text');
  return parsed.data;
}

function requireActing(c: PageContext): void {
  if (!c.get('visitor').mayAct) throw new AppError('forbidden', 'A token of scope viewer can look, but not cancel.');
}
