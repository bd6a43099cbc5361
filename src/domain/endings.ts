import type { FailureClass, Outcome, Status, StopReason } from './task.ts';

/** What a holder, or the server in its place, says about the end of an attempt. */
export type Said = {
  outcome: Exclude<Outcome, 'preempted'>;
  failureClass: FailureClass | null;
  exitCode: number | null;
};

/** What decides besides what was said. Counts are tries already spent. */
export type Standing = {
  stopReason: StopReason | null;
  repeatable: boolean;
  retries: number;
  maxRetries: number;
  infraRetries: number;
  maxInfraRetries: number;
  /** A process was reported for the attempt, so its command may have had effects. */
  processReported: boolean;
  /** Proven by the machine: no process of the attempt was ever made. */
  provenUnstarted: boolean;
};

export type Budget = 'retries' | 'infraRetries';

/** How an attempt ended, and what its task becomes. `spends` names the budget that a new try is taken from. */
export type Ending = {
  outcome: Outcome;
  failureClass: FailureClass | null;
  status: Extract<Status, 'pending' | 'completed' | 'failed' | 'cancelled'>;
  spends: Budget | null;
};

const COMMAND_FAILURES: readonly FailureClass[] = ['exit', 'signal', 'timeout', 'memory', 'output'];

/** The class of a failure that was said without one. */
const failureClassOf = (said: Pick<Said, 'failureClass' | 'exitCode'>): FailureClass =>
  said.failureClass ?? (said.exitCode === null ? 'infrastructure' : 'exit');

/**
 * What becomes of an attempt and its task, in the order that settles every race: a success that was said stands,
 * whatever was asked; then a cancel; then a timeout of the server's; then a preemption; then what was said.
 */
export function endAttempt(said: Said, standing: Standing): Ending {
  if (said.outcome === 'completed') return ending('completed', null, 'completed');
  if (standing.stopReason === 'cancel') return ending('cancelled', null, 'cancelled');
  if (standing.stopReason === 'timeout') return failed('timeout', standing);
  if (standing.stopReason === 'preempted') return ending('preempted', null, 'pending');
  switch (said.outcome) {
    case 'cancelled':
      return ending('cancelled', null, 'cancelled');
    case 'released':
      return ending('released', null, 'pending');
    case 'lost':
      return lost(standing);
    case 'failed':
      return failed(failureClassOf(said), standing);
  }
}

const ending = (
  outcome: Outcome,
  failureClass: FailureClass | null,
  status: Ending['status'],
  spends: Budget | null = null,
): Ending => ({ outcome, failureClass, status, spends });

function failed(failureClass: FailureClass, standing: Standing): Ending {
  if (failureClass === 'policy') return ending('failed', failureClass, 'failed');
  if (COMMAND_FAILURES.includes(failureClass)) {
    return standing.retries < standing.maxRetries
      ? ending('failed', failureClass, 'pending', 'retries')
      : ending('failed', failureClass, 'failed');
  }
  const safe = standing.repeatable || standing.provenUnstarted || !standing.processReported;
  return safe && infraTriesLeft(standing)
    ? ending('failed', failureClass, 'pending', 'infraRetries')
    : ending('failed', failureClass, 'failed');
}

/** Nothing more can be known. What may have run is run a second time only if it may be. */
function lost(standing: Standing): Ending {
  const safe = standing.repeatable || standing.provenUnstarted;
  return safe && infraTriesLeft(standing)
    ? ending('lost', null, 'pending', 'infraRetries')
    : ending('lost', null, 'failed');
}

const infraTriesLeft = (standing: Standing): boolean => standing.infraRetries < standing.maxInfraRetries;
