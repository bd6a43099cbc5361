import { type Form, inForm } from '../client/durations.ts';
import { type Html, html } from '../html.ts';

const MS_PER_SECOND = 1000;

export const secondsBetween = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / MS_PER_SECOND;

/** `2026-11-21 13:28:04 UTC` */
export const exact = (time: string): string => `${day(time)} ${clock(time)} UTC`;
export const day = (time: string): string => time.slice(0, 10);
export const clock = (time: string): string => time.slice(11, 19);

/** How long something has lasted; the browser keeps it right. */
export const since = (time: string, nowMs: number, form: Form): Html =>
  running(time, nowMs - Date.parse(time), form, 'since');

/** How long until something; the browser keeps it right. */
export const until = (time: string, nowMs: number): Html => running(time, Date.parse(time) - nowMs, 'age', 'until');

/** A moment by the clock, with its day on hover. */
export const atClock = (time: string): Html =>
  html`<time datetime="${time}" title="${exact(time)}">${clock(time)}</time>`;

const running = (time: string, ms: number, form: Form, direction: 'since' | 'until'): Html =>
  html`<time datetime="${time}" title="${exact(time)}" data-${direction}="${form}">${inForm(form, ms / MS_PER_SECOND)}</time>`;
