import { setTimeout as delay } from 'node:timers/promises';
import { pruneAuditDay } from '../../store/audit.ts';
import {
  attemptsWithLog,
  oldFinishedTasks,
  pruneDeliveries,
  pruneIdempotencyKeys,
  pruneLogs,
  pruneTasks,
  type TaskPlace,
} from '../../store/prune.ts';
import type { Deps } from '../deps.ts';

/** How many were deleted of each kind; of logs, of how many attempts. */
export type Pruned = { tasks: number; logs: number; deliveries: number; idempotencyKeys: number; acts: number };

/** Tasks bring their histories, attempts and perhaps logs along. */
const TASKS = 100;
const LOGS = 50;
const SMALL_ROWS = 500;
/** Between two batches, so that whoever works meanwhile is not held up for long. */
const REST_MS = 20;
/** So many batches in a row of attempts that are too young yet, and those after them are surely younger. */
const YOUNG_BATCHES = 20;

/** Deletes what is older than it must be kept, until there is none of it or the signal fires. */
export async function prune(deps: Pick<Deps, 'db' | 'settings'>, signal: AbortSignal): Promise<Pruned> {
  const { db, settings } = deps;
  const { tasksDays, logsDays, deliveriesDays, idempotencyHours, auditDays } = settings.retention;
  return {
    logs: await pruneOldLogs(deps, logsDays, signal),
    tasks: await pruneOldTasks(deps, tasksDays, signal),
    deliveries: await inBatches(() => pruneDeliveries(db, deliveriesDays, SMALL_ROWS), SMALL_ROWS, signal),
    idempotencyKeys: await inBatches(() => pruneIdempotencyKeys(db, idempotencyHours, SMALL_ROWS), SMALL_ROWS, signal),
    acts: await inBatches(() => pruneAuditDay(db, auditDays), 1, signal),
  };
}

async function inBatches(batch: () => Promise<number>, full: number, signal: AbortSignal): Promise<number> {
  let total = 0;
  while (!signal.aborted) {
    const pruned = await batch();
    total += pruned;
    if (pruned < full) break;
    await rest(signal);
  }
  return total;
}

async function pruneOldTasks({ db }: Pick<Deps, 'db'>, days: number, signal: AbortSignal): Promise<number> {
  let total = 0;
  for (let after: TaskPlace | null = null; !signal.aborted; ) {
    const { ids, last }: { ids: string[]; last: TaskPlace | null } = await oldFinishedTasks(db, days, after, TASKS);
    if (ids.length > 0) total += await pruneTasks(db, ids);
    if (ids.length < TASKS) break;
    after = last;
    await rest(signal);
  }
  return total;
}

async function pruneOldLogs({ db }: Pick<Deps, 'db'>, days: number, signal: AbortSignal): Promise<number> {
  let total = 0;
  let young = 0;
  for (let after: string | null = null; !signal.aborted && young < YOUNG_BATCHES; ) {
    const ids: string[] = await attemptsWithLog(db, after, LOGS);
    const pruned = ids.length === 0 ? 0 : await pruneLogs(db, ids, days);
    total += pruned;
    young = pruned === 0 ? young + 1 : 0;
    if (ids.length < LOGS) break;
    after = ids.at(-1) ?? null;
    await rest(signal);
  }
  return total;
}

const rest = (signal: AbortSignal): Promise<void> => delay(REST_MS, undefined, { signal }).catch(() => {});
