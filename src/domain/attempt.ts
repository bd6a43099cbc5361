import type { Json } from './canonical-json.ts';
import type { LeftProcess, Stream } from './machine.ts';
import type { ProcessIdentity } from './process.ts';
import type { AgentMode, FailureClass, Outcome } from './task.ts';

/** Kept of each stream, exactly: this many bytes from its beginning, and as many from its end. */
export const LOG_HEAD_BYTES = 512 * 1024;
export const LOG_TAIL_BYTES = 512 * 1024;

export type StreamSizes = {
  /** Written by the command, as far as is known. */
  bytes: number;
  storedBytes: number;
  /** Of the stored bytes, once the attempt has ended. */
  sha256: string | null;
  truncated: boolean;
};

/** Whether anything of an attempt still runs on its machine: surely not, what is named, or nobody could look. */
export type Proof = 'empty' | 'left' | 'unknown';

export type Attempt = {
  id: string;
  taskId: string;
  number: number;
  executionMode: AgentMode;
  agentId: string;
  outcome: Outcome | null;
  failureClass: FailureClass | null;
  exitCode: number | null;
  signal: string | null;
  error: string | null;
  proof: Proof | null;
  leftProcesses: LeftProcess[] | null;
  summary: string | null;
  output: Json;
  usage: Record<string, number> | null;
  process: ProcessIdentity | null;
  leasedAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  streams: Record<Stream, StreamSizes>;
};

/** An attempt as its taker gets it. `token` acts for this attempt only. */
export type LeasedAttempt = {
  id: string;
  number: number;
  leaseSeconds: number;
  renewSeconds: number;
  leaseExpiresAt: string;
  token: string;
};

/** What a holder says at the end of an attempt. */
export type Result = {
  outcome: Exclude<Outcome, 'preempted'>;
  exitCode: number | null;
  signal: string | null;
  error: string | null;
  failureClass: FailureClass | null;
  /** Of class `setup`: the machine itself lacked something, its disk or home, and not what the task asks for. */
  ownFailure: boolean;
  /** What could not be ended on the machine; empty: it was looked for and nothing was left. Null: nobody looked. */
  leftProcesses: readonly LeftProcess[] | null;
  summary: string | null;
  output: Json;
  usage: Record<string, number> | null;
};

/** A result that tells nothing more than how the attempt ended. */
export const BLANK_RESULT: Omit<Result, 'outcome'> = {
  exitCode: null,
  signal: null,
  error: null,
  failureClass: null,
  ownFailure: false,
  leftProcesses: null,
  summary: null,
  output: null,
  usage: null,
};

/** How far a holder says that it is. */
export type ProgressReport = { percent: number | null; message: string | null };

/** Answer to a renewal: how long the lease lasts now, and whether the holder is to stop. */
export type Renewal = {
  leaseSeconds: number;
  leaseExpiresAt: string;
  stopReason: string | null;
  /** Somebody is watching the log, so its tail is wanted at once. */
  followed: boolean;
};

/** What is proven by a result about what still runs; `begun`: there was a process that could. Null: there is nothing to prove. */
export function proofOf(
  { outcome, leftProcesses }: Pick<Result, 'leftProcesses'> & { outcome: Outcome },
  begun: boolean,
): Proof | null {
  if (leftProcesses !== null) return leftProcesses.length === 0 ? 'empty' : 'left';
  return outcome === 'lost' && begun ? 'unknown' : null;
}
