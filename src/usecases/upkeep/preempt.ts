import type { Kysely, Transaction } from 'kysely';
import { mayRun } from '../../domain/may-run.ts';
import { chooseVictim, type RunningTask } from '../../domain/preempt.ts';
import type { Spot } from '../../store/far-candidates.ts';
import {
  findWaitingTask,
  matchingPlaces,
  stoppableTasks,
  tasksThatMayPreempt,
  type WaitingTask,
} from '../../store/preemption.ts';
import type { Database } from '../../store/schema.ts';
import { changeTask, type LockedTask, lockTasks } from '../../store/task-changes.ts';
import type { Deps } from '../deps.ts';
import { SERVER } from '../server-actor.ts';

/** Of the waiting tasks so many are looked at in one pass, in front and behind. */
const BATCH = 20;
/** No agent has this id. */
const LOOKER = '(preemption)';

type Preemption = { waiting: WaitingTask; victim: RunningTask };

/**
 * Asks running tasks to stop whose places much more urgent ones wait for, on hosts and on agents that pull alike.
 * Answers how many were asked. Nothing keeps the places: once free, they go to whoever is first in order. Where those in
 * front have nothing stopped, for what they ask for or since a place is free, one pass after the other looks further
 * behind.
 */
export async function preempt(deps: Deps, signal?: AbortSignal): Promise<number> {
  const { db, farLooks, settings } = deps;
  const front = await tasksThatMayPreempt(db, settings.preemption, BATCH);
  const asked = await preemptForEach(deps, front, signal);
  const last = front.at(-1);
  if (asked > 0 || front.length < BATCH || last === undefined) return asked;
  const behind = await tasksThatMayPreempt(db, settings.preemption, BATCH, farLooks.from([LOOKER], last));
  farLooks.note([LOOKER], behind.length < BATCH ? null : (behind.at(-1) ?? null));
  return preemptForEach(deps, behind, signal);
}

async function preemptForEach(deps: Deps, waiting: readonly Spot[], signal?: AbortSignal): Promise<number> {
  let asked = 0;
  for (const { id } of waiting) if (!signal?.aborted && (await preemptFor(deps, id))) asked++;
  return asked;
}

/**
 * The look before the locks is what most passes end with. Agents aren't locked: who gives out a place meanwhile only
 * makes fewer of them free. The lock of the waiting task lines up replicas that look at the same one: the second finds
 * that something is being stopped for it.
 */
async function preemptFor(deps: Deps, taskId: string): Promise<boolean> {
  const seen = await look(deps, deps.db, taskId);
  if (seen === null) return false;
  const asked = await deps.db.transaction().execute(async (trx) => {
    const locked = await lockTasks(trx, [taskId, seen.victim.id]);
    const found = await look(deps, trx, taskId);
    if (found?.victim.id !== seen.victim.id) return false;
    await askToStop(trx, locked, found);
    return true;
  });
  if (asked) deps.wakeups.emit({ kind: 'task', taskId: seen.victim.id }, { kind: 'task', taskId });
  return asked;
}

async function look(deps: Deps, db: Kysely<Database>, taskId: string): Promise<Preemption | null> {
  const { preemption } = deps.settings;
  const waiting = await findWaitingTask(db, taskId);
  if (waiting === null || waiting.hasStopped) return null;
  const places = (await matchingPlaces(db, waiting)).filter((agent) => mayRun(waiting, agent));
  const agentIds = places.map(({ agentId }) => agentId);
  const victim = chooseVictim(waiting, places, await stoppableTasks(db, agentIds, waiting, preemption), preemption);
  return victim && { waiting, victim };
}

/** Both histories tell it. That the other is cancelled or taken elsewhere after this doesn't take it back. */
async function askToStop(trx: Transaction<Database>, locked: readonly LockedTask[], { waiting, victim }: Preemption) {
  for (const task of locked) {
    if (task.id === waiting.id) {
      const data = {
        preempts_task_id: victim.id,
        agent_id: victim.agentId,
        seconds_lost: Math.round(victim.ranSeconds),
      };
      await changeTask(trx, task, {}, { type: 'changed', actor: SERVER, data });
      continue;
    }
    await changeTask(
      trx,
      task,
      {
        stop_reason: 'preempted',
        stop_for: waiting.id,
        stop_detail: `for task ${waiting.id} of priority ${waiting.priority}`,
        stop_asked_at: task.at,
      },
      {
        type: 'cancel_requested',
        actor: SERVER,
        attemptId: victim.attemptId,
        data: {
          reason: 'preempted',
          for_task_id: waiting.id,
          for_priority: waiting.priority,
          priority: victim.priority,
        },
      },
    );
  }
}
