import { type Html, html } from '../html.ts';
import { atClock, day } from '../words/times.ts';
import type { TaskView } from './read-task.ts';
import { sentence } from './sentences.ts';

/** What happened, oldest first; a day is named where it begins, unless it is today. */
export function historySection(view: TaskView, nowMs: number): Html {
  let last = day(new Date(nowMs).toISOString());
  const rows = view.events.map((event) => {
    const today = day(event.at);
    const newDay = today === last ? null : html`<li class="day">${today}</li>`;
    last = today;
    return html`${newDay}<li>${atClock(event.at)}<span>${sentence(event, view)}</span></li>`;
  });
  const more = view.moreEvents ? html`<li class="day">Later events are left out here</li>` : null;
  return html`<section id="history"><h2>History</h2><ol class="events">${rows}${more}</ol></section>`;
}
