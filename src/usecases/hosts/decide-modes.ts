import type { ExecutionMode } from '../../domain/task.ts';
import { hostLabelSets, markHostMatched, tasksForHostsAgain, tasksWithoutHost } from '../../store/lanes.ts';
import { changeTasks, type LockedTask, lockTasks } from '../../store/task-changes.ts';
import type { Deps } from '../deps.ts';
import { SERVER } from '../server-actor.ts';

const BATCH = 500;

/**
 * Phase 2: an undecided task that no online host could have taken for a while is left to the agents, and comes back
 * when a host with its labels is there. `seenBefore` is when the phase-1 pass before this began: what became ready
 * later was not seen by it. Answers how many tasks changed.
 */
export async function decideModes(deps: Deps, seenBefore: string): Promise<number> {
  const labelSets = await hostLabelSets(deps.db);
  await markHostMatched(deps.db, labelSets);
  const back = await tasksForHostsAgain(deps.db, labelSets, BATCH);
  await decideMode(deps, back, { from: 'http_pull', to: 'undecided', reason: 'a host with the labels is online' });
  const { pullAfterSeconds } = deps.settings.dispatch;
  const left = pullAfterSeconds === null ? [] : await tasksWithoutHost(deps.db, pullAfterSeconds, seenBefore, BATCH);
  const reason = `no host had the labels for ${pullAfterSeconds} s`;
  await decideMode(deps, left, { from: 'undecided', to: 'http_pull', reason });
  if (back.length + left.length > 0) deps.wakeups.emit({ kind: 'ready' });
  return back.length + left.length;
}

type ModeChange = { from: ExecutionMode; to: ExecutionMode; reason: string };

async function decideMode(deps: Deps, taskIds: readonly string[], { from, to, reason }: ModeChange): Promise<void> {
  if (taskIds.length === 0) return;
  await deps.db.transaction().execute(async (trx) => {
    const tasks = (await lockTasks(trx, taskIds)).filter((task) => mayChange(task, from));
    const data = { execution_mode: to, reason };
    await changeTasks(trx, tasks, { execution_mode: to }, { type: 'mode_decided', actor: SERVER, data });
  });
  deps.wakeups.emit(...taskIds.map((taskId) => ({ kind: 'task', taskId }) as const));
}

/** A mode set at creation or by naming an agent never moves by itself. */
const mayChange = (task: LockedTask, from: ExecutionMode): boolean =>
  task.status === 'pending' &&
  task.execution_mode === from &&
  task.requested_mode === 'undecided' &&
  task.named_agent_id === null;
