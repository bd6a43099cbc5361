import type { Transaction } from 'kysely';
import { isStillThere } from '../../store/agents.ts';
import type { Happening } from '../../store/event-chain.ts';
import { laneOf } from '../../store/lanes.ts';
import type { Database, TaskRow } from '../../store/schema.ts';
import { changeTask, type LockedTask, lockTask } from '../../store/task-changes.ts';
import { pendingTasksNaming } from '../../store/tasks.ts';
import { SERVER } from '../server-actor.ts';

type Trx = Transaction<Database>;

/** Pending tasks that name an agent name nobody any more, and wait as they were asked for at their creation. */
export async function unnameTasks(trx: Trx, agentId: string): Promise<string[]> {
  const ids = await pendingTasksNaming(trx, agentId);
  for (const id of ids) await unnameOfDeleted(trx, id, agentId);
  return ids;
}

/**
 * A task that is pending again names nobody if its agent was deleted meanwhile. Who deletes an agent holds its row:
 * either that one finds the task pending, or this one finds the agent deleted.
 */
export async function unnameIfDeleted(trx: Trx, task: Pick<TaskRow, 'id' | 'named_agent_id'>): Promise<void> {
  if (task.named_agent_id === null || (await isStillThere(trx, task.named_agent_id))) return;
  await unnameOfDeleted(trx, task.id, task.named_agent_id);
}

async function unnameOfDeleted(trx: Trx, taskId: string, agentId: string): Promise<void> {
  const task = await lockTask(trx, taskId);
  if (task === null || task.status !== 'pending' || task.named_agent_id !== agentId) return;
  const data = { agent_id: agentId, reason: 'the agent was deleted' };
  await unname(trx, task, { type: 'agent_unnamed', actor: SERVER, data });
}

/** A locked pending task names nobody any more: its mode is the one of its creation, its lane that of its labels. */
export async function unname(trx: Trx, task: LockedTask, happening: Happening): Promise<void> {
  const lane = await laneOf(trx, { requires: task.requires, repository: task.repository, agentId: null });
  const nobody = { named_agent_id: null, named_at: null, assigned_agent_id: null, assigned_at: null };
  const patch = { ...nobody, execution_mode: task.requested_mode, lane, version: task.version + 1 };
  await changeTask(trx, task, patch, happening);
}
