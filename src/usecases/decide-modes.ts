import type { ExecutionMode } from '../domain/task.ts';
import { hostLabelSets, markHostMatched, tasksForHostsAgain, tasksWithoutHost } from '../store/lanes.ts';
import { changeTask, type LockedTask, lockTask } from '../store/task-changes.ts';
import type { Deps } from './deps.ts';
import { SERVER } from './server-actor.ts';

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
  for (const id of back) await decideMode(deps, id, 'http_pull', 'undecided', 'a host with the labels is online');
  const { pullAfterSeconds } = deps.settings.dispatch;
  const left = pullAfterSeconds === null ? [] : await tasksWithoutHost(deps.db, pullAfterSeconds, seenBefore, BATCH);
  for (const id of left) {
    await decideMode(deps, id, 'undecided', 'http_pull', `no host had the labels for ${pullAfterSeconds} s`);
  }
  if (back.length + left.length > 0) deps.wakeups.emit({ kind: 'ready' });
  return back.length + left.length;
}

async function decideMode(
  deps: Deps,
  taskId: string,
  from: ExecutionMode,
  to: ExecutionMode,
  reason: string,
): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (task === null || !mayChange(task, from)) return;
    await changeTask(
      trx,
      task,
      { execution_mode: to },
      {
        type: 'mode_decided',
        actor: SERVER,
        data: { execution_mode: to, reason },
      },
    );
  });
  deps.wakeups.emit({ kind: 'task', taskId });
}

/** A mode set at creation or by naming an agent never moves by itself. */
const mayChange = (task: LockedTask, from: ExecutionMode): boolean =>
  task.status === 'pending' &&
  task.execution_mode === from &&
  task.requested_mode === 'undecided' &&
  task.named_agent_id === null;
