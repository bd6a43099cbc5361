import type { GateFacts, Reason, TaskReason, Waiting } from './facts.ts';

type Gate = Extract<TaskReason, 'run_after' | 'dependencies' | 'approval' | 'concurrency'>;

/** Its time hasn't come: the caller's wish, or the delay before a retry. */
const isEarly = (task: Waiting): boolean => task.dueAt !== null;
const isUnapproved = (task: Waiting): boolean => task.requiresApproval && task.approvedAt === null;

/**
 * The gates of a pending task that aren't open, in order. `keyIsElsewhere`: another task holds its concurrency key. The
 * key comes last, so a task that waits for nothing else waits for it, also in the moment in which it changes hands.
 */
export function closedGates(task: Waiting, keyIsElsewhere: boolean): Gate[] {
  if (task.ready) return [];
  const others: Gate[] = [
    ...(isEarly(task) ? (['run_after'] as const) : []),
    ...(task.unmetDependencies > 0 ? (['dependencies'] as const) : []),
    ...(isUnapproved(task) ? (['approval'] as const) : []),
  ];
  const forKey = task.concurrencyKey !== null && (keyIsElsewhere || others.length === 0);
  return forKey || others.length === 0 ? [...others, forKey ? 'concurrency' : 'run_after'] : others;
}

/** Why it waits at a gate, and the smallest change that opens it. */
export type GateReason = { reason: Reason; change: string };

export function gateReasons(task: Waiting, facts: GateFacts): GateReason[] {
  return closedGates(task, facts.keyHolder !== null).map((gate) => TOLD[gate](task, facts));
}

const TOLD: Record<Gate, (task: Waiting, facts: GateFacts) => GateReason> = {
  run_after: ({ dueAt, runAfter }) => {
    if (dueAt === null) {
      return {
        reason: { code: 'run_after', message: 'Its time has come; it is made ready within a second.' },
        change: 'wait a second',
      };
    }
    const retried = runAfter === null || Date.parse(runAfter) !== Date.parse(dueAt);
    const message = retried
      ? `Its last attempt failed; it is tried again at ${dueAt}.`
      : `It may not be taken before ${dueAt}.`;
    const change = retried ? `wait until ${dueAt}` : `wait until ${dueAt}, or set an earlier run_after`;
    return { reason: { code: 'run_after', message, until: dueAt }, change };
  },
  dependencies: ({ unmetDependencies: count }, { unmet }) => {
    const ended = unmet.filter(({ status }) => status === 'failed' || status === 'cancelled');
    const taskIds = unmet.map(({ id }) => id);
    const message = `It waits for ${tasks(count)} to complete${named(unmet)}.`;
    const change =
      ended.length === 0
        ? `wait until ${tasks(count)} that it depends on ${count === 1 ? 'has' : 'have'} completed`
        : `retry ${ended.map(({ id }) => id).join(', ')}, which did not complete`;
    return { reason: { code: 'dependencies', message, ...(taskIds.length === 0 ? {} : { taskIds }) }, change };
  },
  approval: () => ({
    reason: { code: 'approval', message: 'A person must approve it first.' },
    change: 'approve it',
  }),
  concurrency: ({ concurrencyKey: key }, { keyHolder }) => {
    if (keyHolder === null) {
      const message = `It waits for the concurrency key ${key}, which is free and is given to it within seconds.`;
      return { reason: { code: 'concurrency', message }, change: 'wait some seconds' };
    }
    const { id } = keyHolder;
    const holder = id === null ? 'another task' : `task ${id}`;
    const message = `The concurrency key ${key} is held by ${holder}; one task of a key may be under way at a time.`;
    return {
      reason: { code: 'concurrency', message, ...(id === null ? {} : { taskIds: [id] }) },
      change: `wait until ${holder} has ended${id === null ? '' : ', or cancel it'}`,
    };
  },
};

const tasks = (count: number): string => (count === 1 ? 'one task' : `${count} tasks`);

const SHOWN = 5;
const named = (unmet: GateFacts['unmet']): string => {
  if (unmet.length === 0) return '';
  const shown = unmet.slice(0, SHOWN).map(({ id, status }) => `${id} (${status})`);
  return `: ${shown.join(', ')}${unmet.length > SHOWN ? ` and ${unmet.length - SHOWN} more` : ''}`;
};
