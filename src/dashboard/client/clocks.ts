import { inForm } from './durations.ts';

/** How much the server's clock is ahead of this one: ages are told by the clock of the server. */
let aheadMs = Number(document.body.dataset.now) - Date.now();

const TICK_MS = 1000;

export const nowMs = (): number => Date.now() + aheadMs;

export function setServerTime(serverMs: number): void {
  aheadMs = serverMs - Date.now();
}

/** Keeps every running time on the page right. */
export function startClocks(): void {
  setInterval(tick, TICK_MS);
}

export function tick(): void {
  for (const element of document.querySelectorAll<HTMLTimeElement>('time[data-since], time[data-until]')) {
    const { since, until } = element.dataset;
    const ms = nowMs() - Date.parse(element.dateTime);
    const text = inForm((since ?? until) === 'age' ? 'age' : 'duration', (since === undefined ? -ms : ms) / 1000);
    // Writing the same text again would end a selection.
    if (element.textContent !== text) element.textContent = text;
  }
}
