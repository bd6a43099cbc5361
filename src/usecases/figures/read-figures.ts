import type { AgentState, MachineFigures } from '../../domain/agent.ts';
import type { Status } from '../../domain/task.ts';
import { countAgents, countHostsOffline, machineFigures } from '../../store/agent-counts.ts';
import { eventCounts, oldestPendingSeconds } from '../../store/statistics.ts';
import { countByStatus } from '../../store/task-list.ts';
import type { Deps } from '../deps.ts';
import { catchUpCounting } from './count-ends.ts';

export type Figures = {
  tasks: ReadonlyMap<Status, number>;
  oldestPendingSeconds: number | null;
  /** Of all tasks that ever were, by type. */
  events: ReadonlyMap<string, number>;
  agents: ReadonlyMap<AgentState, number>;
  /** Hosts that aren't used, by the reason. */
  hostsOffline: ReadonlyMap<string, number>;
  machines: readonly MachineFigures[];
};

const KEPT_MS = 5_000;

/** Figures of the database, read at most every few seconds however many ask. */
export function createFigures(deps: Pick<Deps, 'db'>, nowMs: () => number): () => Promise<Figures> {
  let last: { figures: Promise<Figures>; beganMs: number } | null = null;
  return () => {
    if (last === null || nowMs() - last.beganMs >= KEPT_MS) last = { figures: readFigures(deps), beganMs: nowMs() };
    return last.figures;
  };
}

async function readFigures(deps: Pick<Deps, 'db'>): Promise<Figures> {
  await catchUpCounting(deps);
  return {
    tasks: await countByStatus(deps.db),
    oldestPendingSeconds: await oldestPendingSeconds(deps.db),
    events: await eventCounts(deps.db),
    agents: await countAgents(deps.db),
    hostsOffline: await countHostsOffline(deps.db),
    machines: await machineFigures(deps.db),
  };
}
