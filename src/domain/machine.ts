import type { ProcessIdentity } from './process.ts';
import type { Environment, Limits, Sandbox } from './task.ts';

/**
 * What a machine can say about an attempt, whichever way it is reached. Over SSH and pulled alike the same wrapper
 * script answers, so both speak these words. See docs/architecture.md, "One life of an attempt, two transports".
 */

export const STREAMS = ['stdout', 'stderr'] as const;
export type Stream = (typeof STREAMS)[number];

/**
 * Where an attempt stands on its machine:
 * none: nothing known here · void: fenced, never ran, never will · starting, running · done: exit is known ·
 * rebooted: another boot since · orphan: supervisor dead, process alive · vanished: both dead, no exit ·
 * unstarted: supervisor dead before the process was made · busy: an older attempt of the task still has processes.
 */
export const MACHINE_STATES = [
  'none',
  'void',
  'starting',
  'running',
  'done',
  'rebooted',
  'orphan',
  'vanished',
  'unstarted',
  'busy',
] as const;
export type MachineState = (typeof MACHINE_STATES)[number];

/**
 * Why the machine ended the command; `exit` when it ended by itself. Nothing was begun: `setup`, what the task asks for
 * is missing; `machine`, the machine itself is not in order. `memory`: the kernel ended it for using more than its limit.
 * The first reason recorded wins.
 */
export const END_REASONS = ['exit', 'timeout', 'cancel', 'setup', 'machine', 'memory'] as const;
export type EndReason = (typeof END_REASONS)[number];

/** What is kept of one stream: `total` bytes were written, bytes from `keptFrom` on (and the head) can still be read. */
export type StreamTotals = { total: number; keptFrom: number };

/** What the command and what it waited for have used, as far as the machine can tell. */
export type MachineUsage = { cpuSeconds: number; wallSeconds: number | null; maxRssBytes: number | null };

/** A process of the attempt that outlived every attempt to kill it. */
export type LeftProcess = { pid: number; command: string };

export type MachineReport = {
  state: MachineState;
  /** Exit status as the shell saw it (128+n for signal n); null unless `done`. */
  exitCode: number | null;
  reason: EndReason | null;
  /** One sentence when `reason` is `setup` or `machine`: what is missing or full. */
  message: string | null;
  process: ProcessIdentity | null;
  streams: Record<Stream, StreamTotals>;
  /** The machine's disk was full: what the command wrote after `total` was not kept. */
  logLost: boolean;
  /** After the end: what could not be killed. An empty list is proof that nothing is left; null while not `done`. */
  left: LeftProcess[] | null;
  /** Known at the end, null before; null also where the machine can't tell. */
  usage: MachineUsage | null;
  /** Last line of the command's progress file, only in answer to `status`; null when it wrote none. */
  progress: string | null;
  /** Random id of the control folder: a changed one means that its memory of attempts is gone. */
  storeId: string;
  bootId: string;
};

/** Everything that a machine needs to run one attempt. Travels on standard input only. */
export type StartSpec = {
  attemptId: string;
  taskId: string;
  number: number;
  /** Names the installation; each has a control folder of its own. */
  installationId: string;
  command: readonly string[];
  input: Uint8Array;
  environment: Environment;
  limits: Limits;
  sandbox: Sandbox;
  timeoutSeconds: number;
  killGraceSeconds: number;
  /** The memory and boot that the machine was known to have: one that has another starts nothing. */
  store?: { storeId: string; bootId: string };
};
