import type { ExecutionMode, Status, Task } from '../../domain/task.ts';

/** How a task stands, as it is shown: a failed one of which nothing more can be known is `lost`. */
export type Standing = Status | 'lost';

export const standingOf = (task: Pick<Task, 'status' | 'result'>): Standing =>
  task.status === 'failed' && task.result?.outcome === 'lost' ? 'lost' : task.status;

const MODES: Record<ExecutionMode, string> = { undecided: 'undecided', ssh_cli: 'SSH', http_pull: 'pull' };

/** How a task reaches its machine, in a word. */
export const modeWord = (mode: ExecutionMode): string => MODES[mode];
