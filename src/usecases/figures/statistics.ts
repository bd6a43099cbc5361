import { invalidField } from '../../domain/errors.ts';
import { type Day, percentile, type Statistics } from '../../domain/statistics.ts';
import {
  type EndsRow,
  endsByDay,
  endsByKey,
  oldestPendingSeconds,
  type TimesRow,
  timesByDay,
  wholeHours,
} from '../../store/statistics.ts';
import { countByStatus } from '../../store/task-list.ts';
import type { Deps } from '../deps.ts';
import { catchUpCounting } from './count-ends.ts';

/** Null: the last days, up to now. */
export type AskedRange = { from: string | null; to: string | null };
export type Computed = { statistics: Statistics; ageSeconds: number };
export type StatisticsReader = (range: AskedRange) => Promise<Computed>;

const DAYS = 7;
const RANGES = 100;

type Kept = { computing: Promise<Statistics> /** Null: it is under way. */; atMs: number | null };

/** Computes each range at most once in so many seconds, and once for all who ask at the same time. */
export function createStatistics(
  deps: Pick<Deps, 'db'>,
  { cacheSeconds, nowMs }: { cacheSeconds: number; nowMs: () => number },
): StatisticsReader {
  const kept = new Map<string, Kept>();

  const begin = (range: AskedRange, key: string): Kept => {
    const one: Kept = { computing: computeStatistics(deps, range), atMs: null };
    kept.delete(key);
    kept.set(key, one);
    if (kept.size > RANGES) kept.delete(kept.keys().next().value ?? '');
    const done = () => {
      one.atMs = nowMs();
    };
    one.computing.then(done, () => kept.get(key) === one && kept.delete(key));
    return one;
  };

  return async (range) => {
    const key = `${range.from} ${range.to}`;
    const last = kept.get(key);
    const good = last !== undefined && (last.atMs === null || nowMs() - last.atMs < cacheSeconds * 1000);
    const one = good ? last : begin(range, key);
    const statistics = await one.computing;
    return { statistics, ageSeconds: Math.floor((nowMs() - (one.atMs ?? nowMs())) / 1000) };
  };
}

async function computeStatistics(deps: Pick<Deps, 'db'>, asked: AskedRange): Promise<Statistics> {
  const { db } = deps;
  await catchUpCounting(deps);
  const { from, to, until } = await wholeHours(db, asked.from, asked.to, DAYS);
  if (from >= until) throw invalidField('from', 'must be before `to`');
  const [keyed, days, times, counts] = await Promise.all([
    endsByKey(db, from, until),
    endsByDay(db, from, until),
    timesByDay(db, from, until),
    countByStatus(db),
  ]);
  const timesOf = Map.groupBy(times, ({ day }) => day);
  const of = (status: 'pending' | 'assigned' | 'running') => counts.get(status) ?? 0;
  return {
    from,
    to,
    queue: {
      pending: of('pending'),
      assigned: of('assigned'),
      running: of('running'),
      oldestPendingSeconds: await oldestPendingSeconds(db),
    },
    waitSeconds: percentilesOf(times, 'wait'),
    durationSeconds: percentilesOf(times, 'duration'),
    byTemplate: by('template', keyed),
    byRepository: by('repository', keyed),
    byAgent: by('agent', keyed),
    series: days.map((day): Day => {
      const ofDay = timesOf.get(day.day) ?? [];
      return { ...day, waitP95: percentilesOf(ofDay, 'wait').p95, durationP95: percentilesOf(ofDay, 'duration').p95 };
    }),
  };
}

const by = (dimension: EndsRow['dimension'], rows: readonly EndsRow[]) =>
  rows.filter((row) => row.dimension === dimension).map(({ dimension: _, ...ends }) => ends);

function percentilesOf(times: readonly TimesRow[], measure: TimesRow['measure']) {
  const tasks = new Map<number, number>();
  for (const time of times) {
    if (time.measure === measure) tasks.set(time.class, (tasks.get(time.class) ?? 0) + time.tasks);
  }
  const counts = [...tasks].map(([number, many]) => ({ class: number, tasks: many }));
  return { p50: percentile(counts, 0.5), p95: percentile(counts, 0.95) };
}
