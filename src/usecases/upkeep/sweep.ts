import { SILENT_BEATS } from '../../domain/agent.ts';
import { agentNames } from '../../store/agents.ts';
import { openDueTasks } from '../../store/due-tasks.ts';
import { openGates } from '../../store/gates.ts';
import { lapsedPullAttempts, markSilentAgents, overdueTasks, refreshPullLeases, takeBeat } from '../../store/leases.ts';
import { changeTask, lockTask } from '../../store/task-changes.ts';
import { endHeld, lostResult } from '../attempt/end-attempt.ts';
import { type Held, lockOpen } from '../attempt/holding.ts';
import { endIsolation, judgeAgents } from '../attempt/judge-agent.ts';
import type { Deps } from '../deps.ts';
import { SERVER } from '../server-actor.ts';

/** So many beats may be missed before nobody can be blamed for not having renewed. */
const OUTAGE_BEATS = 3;
/** How long after its timeout an attempt that hasn't ended by itself is asked to stop. */
const OVERDUE_SECONDS = 30;
const BATCH = 500;

export type Swept = { outage: boolean; lost: number };

/**
 * Everything that comes due: leases, delays, timeouts, silence. Only this ends a lease. The beat's row lines up the
 * sweeps of all replicas, and what it tells comes from the database's clock alone. What is left when the signal fires is
 * as due at the next sweep, whoever makes it.
 */
export async function sweep(deps: Deps, signal?: AbortSignal): Promise<Swept> {
  const { leases } = deps.settings;
  const { outage, lapsed, lapsedBy } = await deps.db.transaction().execute(async (trx) => {
    const beat = await takeBeat(trx, OUTAGE_BEATS * leases.sweepSeconds);
    if (beat.outage) await refreshPullLeases(trx, leases.seconds);
    return {
      outage: beat.outage,
      lapsedBy: beat.previousAt,
      lapsed: beat.outage ? [] : await lapsedPullAttempts(trx, beat.previousAt, BATCH),
    };
  });
  let lost = 0;
  for (const attemptId of lapsed) if (!signal?.aborted && (await loseLapsed(deps, attemptId, lapsedBy))) lost++;
  if (lost > 0) deps.wakeups.emit({ kind: 'ready' }, { kind: 'ended' });
  if (!signal?.aborted) await lookAtWhatIsDue(deps, signal);
  return { outage, lost };
}

/** Beside leases. */
async function lookAtWhatIsDue(deps: Deps, signal?: AbortSignal): Promise<void> {
  await readyDueTasks(deps, signal);
  for (const taskId of await overdueTasks(deps.hot, OVERDUE_SECONDS, BATCH)) {
    if (signal?.aborted) return;
    await askTimeout(deps, taskId);
  }
  await endIsolation(deps);
  const silent = await markSilentAgents(deps.db, SILENT_BEATS * deps.settings.leases.renewSeconds);
  if (silent > 0) deps.wakeups.emit({ kind: 'agents' });
}

/**
 * Those with a key take it while their rows are locked. Batches follow each other for half the time to the next sweep at
 * most: leases lapse meanwhile, and a beat that comes late looks like an outage.
 */
async function readyDueTasks(deps: Pick<Deps, 'db' | 'wakeups' | 'settings'>, signal?: AbortSignal): Promise<void> {
  const untilMs = performance.now() + deps.settings.leases.sweepSeconds * 500;
  do {
    const { found, ready } = await deps.db.transaction().execute(async (trx) => {
      const due = await openDueTasks(trx, BATCH);
      return { found: due.found, ready: due.ready + (await openGates(trx, due.needKey)).length };
    });
    if (ready > 0) deps.wakeups.emit({ kind: 'ready' });
    if (found < BATCH) return;
  } while (performance.now() < untilMs && !signal?.aborted);
}

/** Ends an attempt whose lease lapsed, unless it was renewed or ended between the look and the lock. */
async function loseLapsed(deps: Deps, attemptId: string, lapsedBy: string): Promise<boolean> {
  const ended = await deps.db.transaction().execute(async (trx) => {
    const held = await lockOpen(trx, attemptId);
    const leaseEnd = held?.task.lease_expires_at ?? null;
    if (held === null || leaseEnd === null || leaseEnd >= lapsedBy) return null;
    const [agent] = await agentNames(trx, [held.attempt.agent_id]);
    return endHeld(trx, deps, held, lostResult(lostBecause(held, agent?.name ?? '')), {
      actor: SERVER,
      saidHash: null,
      settled: true,
    });
  });
  if (ended === null) return false;
  await judgeAgents(deps, [ended]);
  deps.wakeups.emit({ kind: 'task', taskId: ended.taskId }, { kind: 'log', attemptId });
  return true;
}

/** An agent may have renewed all the while: what is not started, or long over its time, is renewed no more. */
function lostBecause({ task, attempt }: Held, agent: string): string {
  if (attempt.started_at === null) return `agent ${agent} did not start it until its lease had lapsed`;
  if (task.stop_reason === 'timeout') return `agent ${agent} did not end it when its time was over`;
  return `agent ${agent} was not heard of until its lease had lapsed`;
}

/** The holder should have ended it by itself; the next renewal tells it to. */
async function askTimeout(deps: Deps, taskId: string): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (task === null || task.status !== 'running' || task.stop_reason !== null) return;
    await changeTask(
      trx,
      task,
      { stop_reason: 'timeout', stop_detail: `longer than ${task.timeout_seconds} s`, stop_asked_at: task.at },
      { type: 'cancel_requested', actor: SERVER, attemptId: task.attempt_id, data: { reason: 'timeout' } },
    );
  });
  deps.wakeups.emit({ kind: 'task', taskId });
}
