import type { FailureClass, Outcome } from './task.ts';

/** How an attempt of a task ended on an agent, as far as it tells something about the agent. */
export type EndingThere = {
  taskId: string;
  outcome: Outcome;
  failureClass: FailureClass | null;
  /** Said of class `setup`: the machine's own lack. */
  ownFailure: boolean;
  error: string | null;
};

export type Judgement = 'own_fault' | 'works' | 'tells_nothing';

/** So many endings in a row for causes of the agent's own, each of another task, isolate it. */
export const ISOLATING_FAILURES = 3;

/**
 * What an ending tells about the agent. A success, or a failure of the task's own, shows that it works: it made a
 * process and told its end. An attempt that was cancelled, released or preempted shows neither.
 */
export function judge({ outcome, failureClass, ownFailure }: Omit<EndingThere, 'taskId' | 'error'>): Judgement {
  if (outcome === 'lost') return 'own_fault';
  if (outcome === 'completed') return 'works';
  if (outcome !== 'failed') return 'tells_nothing';
  if (failureClass === 'infrastructure') return 'own_fault';
  return failureClass === 'setup' && ownFailure ? 'own_fault' : 'works';
}

/** The tasks that failed there in a row for causes of the agent's own, after these endings more. */
export function ownFailures(before: readonly string[], endings: readonly EndingThere[]): string[] {
  let failures = [...before];
  for (const ending of endings) {
    const judgement = judge(ending);
    if (judgement === 'works') failures = [];
    else if (judgement === 'own_fault' && !failures.includes(ending.taskId)) failures.push(ending.taskId);
  }
  return failures.slice(-ISOLATING_FAILURES);
}

export const isolates = (failures: readonly string[]): boolean => failures.length >= ISOLATING_FAILURES;
