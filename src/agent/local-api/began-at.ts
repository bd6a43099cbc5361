import { uptime } from 'node:os';

/** What `/proc` counts in; the same on every Linux. */
const TICK_MS = 10;

/** When a process began, from the machine's own word for it: ticks since the boot, or what `ps` says. Null: unknown. */
export function beganAt(word: string, nowMs = Date.now(), uptimeSeconds = uptime()): string | null {
  const ms = /^\d+$/.test(word)
    ? nowMs - uptimeSeconds * 1000 + Number(word) * TICK_MS
    : Date.parse(word.replaceAll('_', ' '));
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}
