import type { LeasedAttempt } from '../../domain/attempt.ts';
import type { Task } from '../../domain/task.ts';
import type { Deps } from '../deps.ts';

/** What an agent asks for, and what it is given. */
export type Ask = {
  agentId: string;
  maxTasks: number;
  requestId: string | null;
  /** It had no place when it was looked at last, and no word has come since that it has. */
  wasFull?: boolean;
};
export type Taken = { task: Task; attempt: LeasedAttempt };

export const leased = ({ settings }: Pick<Deps, 'settings'>, task: Task, token: string): Taken => ({
  task,
  attempt: {
    id: task.attempt?.id ?? '',
    number: task.attempt?.number ?? 0,
    leaseSeconds: settings.leases.seconds,
    renewSeconds: settings.leases.renewSeconds,
    leaseExpiresAt: task.attempt?.leaseExpiresAt ?? '',
    token,
  },
});
