import { AppError, notFound } from '../../domain/errors.ts';
import type { Actor, AgentMode, Task } from '../../domain/task.ts';
import { agentModeForNaming } from '../../store/agents.ts';
import { laneOf } from '../../store/lanes.ts';
import { changeTask, lockTask } from '../../store/task-changes.ts';
import { findTask } from '../../store/tasks.ts';
import { findChanged } from '../attempt/find-changed.ts';
import type { Deps } from '../deps.ts';

/**
 * A coordinator names the agent for a pending task; only that agent can take it then. The mode follows from the
 * agent's kind, or is checked against the one given. Against a take the row's lock decides: who comes second is told
 * `assign_not_allowed`.
 */
export async function assignTask(
  deps: Deps,
  actor: Actor,
  taskId: string,
  wish: { agentId: string; executionMode: AgentMode | null },
): Promise<Task> {
  if ((await findTask(deps.db, taskId)) === null) throw notFound('task');
  if ((await agentModeForNaming(deps.db, wish.agentId)) === null) throw notFound('agent');
  const lane = await laneOf(deps.db, { requires: [], repository: null, agentId: wish.agentId });
  await deps.db.transaction().execute(async (trx) => {
    // The agent's row first, as everywhere: it can't be deleted while the task is given to it.
    const mode = await agentModeForNaming(trx, wish.agentId);
    if (mode === null) throw notFound('agent');
    checkMode(mode, wish.executionMode);
    const task = await lockTask(trx, taskId);
    if (task === null) throw notFound('task');
    if (task.status !== 'pending') {
      throw new AppError('assign_not_allowed', `The task is ${task.status}; only a pending task can be assigned.`);
    }
    await changeTask(
      trx,
      task,
      {
        named_agent_id: wish.agentId,
        assigned_agent_id: wish.agentId,
        assigned_at: task.at,
        named_at: task.at,
        execution_mode: mode,
        lane,
        version: task.version + 1,
      },
      { type: 'agent_named', actor, data: { agent_id: wish.agentId, execution_mode: mode } },
    );
  });
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'task', taskId });
  return findChanged(deps, taskId);
}

export function checkMode(mode: AgentMode, wanted: AgentMode | null): void {
  if (wanted === null || wanted === mode) return;
  throw new AppError('mode_mismatch', `The agent is reached by ${mode}, not by ${wanted}.`);
}
