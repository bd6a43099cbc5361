import type { Costs } from '../support/costs.ts';
import { atLeast, atMost, type FigureRows, ratios } from '../support/rows.ts';

export type Turn = { perSecond: number; costs: Costs; p50Ms?: number; p99Ms?: number };
export type Turns = Record<'ours' | 'graphile' | 'boss', Turn[]>;

const RATIO = 'Taskejo / graphile-worker, in process';
const NAMES = { ours: 'Taskejo', graphile: 'graphile-worker', boss: 'pg-boss' } as const;
const COSTS = [
  ['cpuSeconds', 'processor per 1,000 tasks', 's'],
  ['postgresCpuSeconds', "PostgreSQL's processor per 1,000 tasks", 's'],
  ['walKilobytes', 'WAL per 1,000 tasks', 'kB'],
] as const;

/** The ratios first, then what they come from. */
export function rowsOf(turns: Turns, peersMissing: string | null): FigureRows {
  const rates = (of: keyof Turns) => turns[of].map((turn) => turn.perSecond);
  const ratio = ratios(rates('ours'), rates('graphile'));
  const all = Object.keys(NAMES) as (keyof Turns)[];
  const contestants = all.filter((of) => turns[of].length > 0);
  return [
    peersMissing === null
      ? { title: RATIO, unit: '×', rounds: ratio, goal: atLeast(2.5, 3) }
      : { title: RATIO, missing: peersMissing },
    { title: 'Taskejo / pg-boss, in process', unit: '×', rounds: ratios(rates('ours'), rates('boss')) },
    ...contestants.map((of) => ({ title: NAMES[of], unit: '/s', rounds: rates(of) })),
    ...COSTS.flatMap(([cost, title, unit]) =>
      contestants.map((of) => ({
        title: `${NAMES[of]}: ${title}`,
        unit,
        rounds: turns[of].map((turn) => turn.costs[cost]),
        ...(cost === 'cpuSeconds' && of === 'ours' ? { goal: atMost(0.2) } : {}),
      })),
    ),
    {
      title: "Taskejo: the agents' processor per 1,000 tasks",
      unit: 's',
      rounds: turns.ours.map((turn) => turn.costs.loadCpuSeconds),
    },
    { title: 'Taskejo: a dequeue that had a task, p50', unit: 'ms', rounds: turns.ours.map((turn) => turn.p50Ms ?? 0) },
    { title: 'Taskejo: a dequeue that had a task, p99', unit: 'ms', rounds: turns.ours.map((turn) => turn.p99Ms ?? 0) },
  ];
}
