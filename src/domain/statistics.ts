import type { Status } from './task.ts';

/** Seconds are counted in classes, each two per cent longer than the one before, so a percentile is right to one. */
export const CLASS_GROWTH = 1.02;
export const LEAST_SECONDS = 0.001;

export type Ends = { completed: number; failed: number; cancelled: number };
export type EndsByKey = Ends & { key: string; costUsd: number; inputTokens: number; outputTokens: number };
export type Day = Ends & { day: string; waitP95: number | null; durationP95: number | null };
export type Percentiles = { p50: number | null; p95: number | null };
export type Statistics = {
  from: string;
  to: string;
  queue: Record<Extract<Status, 'pending' | 'assigned' | 'running'>, number> & { oldestPendingSeconds: number | null };
  waitSeconds: Percentiles;
  durationSeconds: Percentiles;
  byTemplate: EndsByKey[];
  byRepository: EndsByKey[];
  byAgent: EndsByKey[];
  series: Day[];
};

/** How many tasks took a time of a class. */
export type ClassCount = { class: number; tasks: number };

/** The seconds that a share of all tasks took at most; null of none. */
export function percentile(counts: readonly ClassCount[], share: number): number | null {
  const sorted = counts.toSorted((a, b) => a.class - b.class);
  let left = share * sorted.reduce((sum, { tasks }) => sum + tasks, 0);
  for (const { class: number, tasks } of sorted) {
    left -= tasks;
    if (left <= 0) return secondsOf(number);
  }
  return null;
}

/** The middle of a class, to three digits behind the point. */
const secondsOf = (number: number): number => Math.round(CLASS_GROWTH ** (number + 0.5) * LEAST_SECONDS * 1000) / 1000;
