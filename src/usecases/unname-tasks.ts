import type { Transaction } from 'kysely';
import { laneOf } from '../store/lanes.ts';
import type { Database } from '../store/schema.ts';
import { changeTask, lockTask } from '../store/task-changes.ts';
import { pendingTasksNaming } from '../store/tasks.ts';
import { SERVER } from './end-attempt.ts';

/** Pending tasks that name an agent name nobody any more, and wait as they were asked for at their creation. */
export async function unnameTasks(trx: Transaction<Database>, agentId: string): Promise<string[]> {
  const ids = await pendingTasksNaming(trx, agentId);
  for (const id of ids) {
    const task = await lockTask(trx, id);
    if (task === null || task.status !== 'pending' || task.named_agent_id !== agentId) continue;
    const lane = await laneOf(trx, { requires: task.requires, repository: task.repository, agentId: null });
    await changeTask(
      trx,
      task,
      {
        named_agent_id: null,
        assigned_agent_id: null,
        assigned_at: null,
        execution_mode: task.requested_mode,
        lane,
        version: task.version + 1,
      },
      { type: 'agent_unnamed', actor: SERVER, data: { agent_id: agentId, reason: 'the agent was deleted' } },
    );
  }
  return ids;
}
