import { type Html, html } from './html.ts';
import type { Standing } from './words/standing.ts';

const RING = html`<circle cx="7" cy="7" r="5.25" fill="none" stroke="currentColor" stroke-width="1.5"/>`;

const SHAPES: Record<Standing, Html> = {
  pending: RING,
  assigned: html`${RING}<path d="M7 7V3a4 4 0 0 1 4 4Z" fill="currentColor"/>`,
  running: html`${RING}<path d="M7 3a4 4 0 0 1 0 8Z" fill="currentColor"/>`,
  completed: html`<circle cx="7" cy="7" r="6" fill="currentColor"/>`,
  failed: html`<path d="M2.5 2.5l9 9m0-9l-9 9" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round"/>`,
  lost: html`<circle cx="7" cy="7" r="5.25" fill="none" stroke="currentColor" stroke-width="1.75" stroke-dasharray="2.4 1.73"/>`,
  cancelled: html`${RING}<path d="M3.4 10.6l7.2-7.2" stroke="currentColor" stroke-width="1.5"/>`,
};

/** Drawn once in a page, for every use in it. */
export const shapeDefinitions = (): Html =>
  html`<svg class="definitions" aria-hidden="true">${Object.entries(SHAPES).map(
    ([name, shape]) => html`<symbol id="s-${name}" viewBox="0 0 14 14">${shape}</symbol>`,
  )}</svg>`;

export const shape = (standing: Standing): Html =>
  html`<svg class="shape" aria-hidden="true"><use href="#s-${standing}"/></svg>`;

/** Shape, word and colour: no one of them says it alone. */
export const standingMark = (standing: Standing): Html =>
  html`<span class="mark ${standing}">${shape(standing)}${standing}</span>`;

/** A task in its place. */
export const logo = (): Html =>
  html`<svg class="logo" viewBox="0 0 16 16" aria-hidden="true"><rect x="1" y="1" width="14" height="14" rx="3.5" fill="none" stroke="currentColor" stroke-width="1.75"/><circle class="task" cx="8" cy="8" r="3.25"/></svg>`;
