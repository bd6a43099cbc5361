import type { TaskRow } from '../../store/schema.ts';

/** What a task is that waits again: as it was asked for at its creation, or as the agent is reached that it names. */
export const pendingAgain = (
  task: Pick<TaskRow, 'named_agent_id' | 'named_at' | 'requested_mode' | 'execution_mode'>,
) => ({
  status: 'pending' as const,
  execution_mode: task.named_agent_id === null ? task.requested_mode : task.execution_mode,
  assigned_agent_id: task.named_agent_id,
  assigned_at: task.named_at,
  finished_at: null,
  progress: null,
  stop_reason: null,
  stop_detail: null,
  stop_asked_at: null,
  stop_for: null,
});
