import type { Restriction } from '../../domain/restriction.ts';
import { STATUSES, type Status } from '../../domain/task.ts';
import { readNames } from '../../usecases/task/read-names.ts';
import { countTasks, listTasks } from '../../usecases/task/read-tasks.ts';
import type { DashboardDeps } from '../deps.ts';
import type { ListQuery } from './query.ts';
import { readSteps, type Steps } from './read-steps.ts';
import type { Refused } from './refused.ts';
import { type Row, toRow } from './row.ts';

export type Counts = Record<Status, number> & { all: number };
/** The list as plain data; before there is any task, how to come to the first. */
export type ListView =
  | { kind: 'tasks'; counts: Counts; rows: Row[]; nextCursor: string | null; refused: Refused }
  | { kind: 'steps'; steps: Steps };
export type ReadList = (query: ListQuery, restriction: Restriction | null) => Promise<ListView>;

const ROWS = 50;
/** All who look share one count. It goes over all tasks, so where that takes long it is done less often. */
const KEPT_MS = 100;
const KEPT_PER_COUNT = 4;

export function createListReader(dashboard: DashboardDeps): ReadList {
  const { deps, epochMs } = dashboard;
  const counts = createCounts(deps);

  return async (query, restriction) => {
    const counted = await counts(restriction);
    // Who may see some tasks only is told of nothing else.
    const refused = restriction === null ? dashboard.refusedDeliveries.lately() : [];
    if (counted.all === 0) return { kind: 'steps', steps: { ...(await readSteps(dashboard)), refused } };
    const statuses = query.status === null ? undefined : [query.status];
    const filter = { statuses, within: restriction ?? undefined };
    const page = await listTasks(deps, filter, query.sort, { limit: ROWS, cursor: query.cursor });
    const names = await readNames(deps, {
      agents: page.items.flatMap((task) => task.assignedAgentId ?? task.namedAgentId ?? []),
      tokens: [],
    });
    const rows = page.items.map((task) => toRow(task, names, epochMs()));
    return { kind: 'tasks', counts: counted, rows, nextCursor: page.nextCursor, refused };
  };
}

/** Sets of tasks that are counted at a time: as many as there are restrictions among those who look. */
const COUNTED_SETS = 100;

function createCounts(deps: DashboardDeps['deps']): (restriction: Restriction | null) => Promise<Counts> {
  const bySet = new Map<string, () => Promise<Counts>>();
  return (restriction) => {
    const key = JSON.stringify(restriction);
    const known = bySet.get(key) ?? shared(() => countTasks(deps, restriction).then(toCounts));
    if (bySet.size >= COUNTED_SETS) bySet.clear();
    bySet.set(key, known);
    return known();
  };
}

const toCounts = (found: ReadonlyMap<string, number>): Counts => {
  const each = STATUSES.map((status) => [status, found.get(status) ?? 0] as const);
  const all = each.reduce((sum, [, tasks]) => sum + tasks, 0);
  return { ...(Object.fromEntries(each) as Record<Status, number>), all };
};

/** Asks once for all who want to know at about the same time; an answer that failed isn't kept. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | null = null;
  const askAndKeep = async () => {
    const beganMs = performance.now();
    const answer = await ask();
    const keptMs = Math.max(KEPT_MS, KEPT_PER_COUNT * (performance.now() - beganMs));
    setTimeout(forget, keptMs).unref();
    return answer;
  };
  const forget = () => {
    last = null;
  };
  return () => {
    if (last === null) {
      last = askAndKeep();
      last.catch(forget);
    }
    return last;
  };
}
