import { waitingInLanes } from '../../store/claims.ts';
import { newestLane } from '../../store/lanes.ts';
import { touchAgents } from '../../store/leases.ts';
import type { Deps } from '../deps.ts';
import type { TasksByLane } from './waiting-room.ts';

/** Tasks of a lane counted by a look at most. */
const COUNTED = 10_000;
const BATCH = 500;

/** In which lanes that one of these agents may serve tasks wait, and how many, up to as many as they want. */
export async function lookFor(
  deps: Deps,
  agents: readonly { id: string; labels: readonly string[] }[],
  wanted: number,
): Promise<TasksByLane> {
  await deps.lanes.upTo(deps.db, await newestLane(deps.db));
  const lanes = deps.lanes.servedBy(agents);
  if (lanes.length === 0) return new Map();
  const fronts = deps.fronts.of('http_pull', lanes);
  const found = await waitingInLanes(deps.db, { lanes, fronts, limit: Math.min(wanted, COUNTED) });
  return new Map(found.map(({ lane, tasks }) => [lane, tasks]));
}

/** Notes that these live. */
export async function touchWaiting(deps: Deps, agentIds: readonly string[]): Promise<void> {
  for (let from = 0; from < agentIds.length; from += BATCH) {
    await touchAgents(deps.db, agentIds.slice(from, from + BATCH));
  }
}
