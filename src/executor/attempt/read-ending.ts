import { constants } from 'node:os';
import { BLANK_RESULT, type Result } from '../../domain/attempt.ts';
import type { Json } from '../../domain/canonical-json.ts';
import type { MachineReport } from '../../domain/machine.ts';
import type { FailureClass } from '../../domain/task.ts';
import { inOneLine } from '../../domain/visible.ts';

/** Why the command could not be begun; proven that it never will be. */
export type LaunchFailure = {
  failureClass: Extract<FailureClass, 'policy' | 'setup' | 'infrastructure'>;
  ownFailure: boolean;
  error: string;
};

/** What is known besides the machine's last report. */
export type EndingFacts = {
  /** Asked by the control plane. */
  stopReason: string | null;
  launchFailure: LaunchFailure | null;
  /** The machine once reported the command's process. */
  processSeen: boolean;
  /** The supervisor was found dead before it had made the process. */
  unstarted: boolean;
  /** The machine's memory of the attempt was found gone. */
  forgotten: boolean;
  timeoutSeconds: number;
  output: Json;
};

const MAX_ERROR = 2000;
const FORGOTTEN = 'store_changed: the machine no longer knows the attempt, its control folder was removed';

export const lost = (error: string): Result => ({ ...BLANK_RESULT, outcome: 'lost', error: sentence(error) });
const failed = (failureClass: FailureClass, error: string): Result => ({
  ...BLANK_RESULT,
  outcome: 'failed',
  failureClass,
  error: sentence(error),
});

/** What a machine said is text of any kind and length. */
const sentence = (said: string): string => inOneLine(said).slice(0, MAX_ERROR).toWellFormed();

/**
 * What the holder says about an attempt that is over, from the machine's last word on it; null where the machine was
 * never told of it. What can't be known is `lost`: never a success and never a plain failure.
 */
export function readEnding(report: MachineReport | null, facts: EndingFacts): Result {
  if (facts.forgotten) return lost(FORGOTTEN);
  if (report === null || report.state === 'void') return neverRan(facts);
  switch (report.state) {
    case 'done':
      return { ...doneResult(report, facts), output: facts.output, leftProcesses: report.left, usage: usageOf(report) };
    case 'rebooted':
      return lost('the machine was restarted while the command ran');
    case 'vanished':
    case 'orphan':
      return lost('the process that watched the command was killed, so its exit code is unknown');
    case 'none':
      return lost(FORGOTTEN);
    default:
      return lost(`the attempt was left while ${report.state}`);
  }
}

function usageOf({ usage }: MachineReport): Result['usage'] {
  if (usage === null) return null;
  const { cpuSeconds, wallSeconds, maxRssBytes } = usage;
  const said = { wall_seconds: wallSeconds, cpu_seconds: cpuSeconds, max_rss_bytes: maxRssBytes };
  return Object.fromEntries(Object.entries(said).filter((entry): entry is [string, number] => entry[1] !== null));
}

function neverRan({ stopReason, launchFailure, processSeen, unstarted }: EndingFacts): Result {
  if (processSeen) return lost('the machine no longer knows of the command that it had started');
  if (stopReason !== null) return cancelled(stopReason);
  if (launchFailure !== null) {
    const { failureClass, ownFailure, error } = launchFailure;
    return { ...failed(failureClass, error), ownFailure };
  }
  if (unstarted) return failed('infrastructure', 'the machine ended the start before the command began');
  return { ...BLANK_RESULT, outcome: 'released', error: 'nothing was started' };
}

function doneResult({ reason, exitCode, message }: MachineReport, { stopReason, timeoutSeconds }: EndingFacts): Result {
  switch (reason) {
    case 'timeout':
      return failed('timeout', `the command was stopped after ${timeoutSeconds} s, its timeout`);
    case 'cancel':
      // Ended without the control plane's wish: the machine's owner did it. Should it wish so later, that goes first.
      return stopReason === null ? failed('infrastructure', 'stopped on the machine') : cancelled(stopReason);
    case 'memory':
      return failed('memory', 'the command used more memory than its limit allows');
    case 'setup':
      return failed('setup', message ?? 'the command could not be started');
    case 'machine':
      return { ...failed('setup', message ?? 'the machine could not start the command'), ownFailure: true };
    default:
      return exitCode === null ? lost('the machine reported an end without an exit code') : exitResult(exitCode);
  }
}

const STOPS: Record<string, string> = {
  cancel: 'the task was cancelled',
  timeout: 'the server stopped the command after its timeout',
  preempted: 'a more urgent task took its place',
};
const cancelled = (reason: string): Result => ({
  ...BLANK_RESULT,
  outcome: 'cancelled',
  error: STOPS[reason] ?? 'stopped as the server asked',
});

function exitResult(exitCode: number): Result {
  if (exitCode === 0) return { ...BLANK_RESULT, outcome: 'completed', exitCode };
  const signal = signalName(exitCode - 128);
  if (signal !== null) return { ...failed('signal', `the command was ended by ${signal}`), signal };
  return { ...failed('exit', `the command ended with exit code ${exitCode}`), exitCode };
}

const NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
/** Two names share a number here and there; these are the ones that people know. */
for (const name of ['SIGABRT', 'SIGIO'] as const) NAMES.set(constants.signals[name], name);

function signalName(number: number): string | null {
  return NAMES.get(number) ?? null;
}
