import type { MachineReport, StartSpec, Stream } from '../domain/machine.ts';

/** A piece of a stream; `offset` counts the bytes that the command had written before it. */
export type LogPiece = { stream: Stream; offset: number; bytes: Uint8Array };

export type MachineErrorKind =
  | 'unreachable'
  | 'host_key'
  | 'auth'
  | 'noise'
  | 'shell'
  | 'home'
  | 'disk_full'
  /** The machine knows another attempt under this number, or a later one: our memory is older than the machine's. */
  | 'refused'
  /** The machine has not the memory or boot that the start was for; it started nothing. */
  | 'store_changed'
  | 'configuration';

/** The machine could not be asked. Says nothing about the attempt: it may run, have run, or never have started. */
export class MachineError extends Error {
  override name = 'MachineError';
  readonly kind: MachineErrorKind;
  constructor(kind: MachineErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** Nothing of what was to be asked was sent: it did not happen, whatever becomes of the machine. */
export class NotSent extends MachineError {
  override name = 'NotSent';
}

/** Whoever stands before a machine doesn't let a command start there, now or later. Nothing was sent to the machine. */
export class StartRefused extends MachineError {
  override name = 'StartRefused';
  readonly failureClass: 'policy' | 'setup' | 'infrastructure';
  constructor(failureClass: 'policy' | 'setup' | 'infrastructure', message: string) {
    super('configuration', message);
    this.failureClass = failureClass;
  }
}

/**
 * A machine that runs attempts: a host over SSH, or the one the agent lives on. Every operation may be repeated at any
 * time by anybody and after any failure. All throw {@link MachineError} when the machine can't be asked.
 */
export type Machine = {
  /** The script by which it is asked. */
  readonly wrapper: string;
  /** The same machine, asked by the script of another release: the one that was to start an attempt. */
  by(wrapper: string): Machine;
  /**
   * Starts the command once, detached; a repeated call finds what the first one began. State `busy`: an older attempt
   * of the task is being ended, nothing was started, ask again.
   */
  start(spec: StartSpec, signal: AbortSignal): Promise<MachineReport>;
  status(attemptId: string, signal: AbortSignal): Promise<MachineReport>;
  /** Live output from the offsets on, best effort: resolves when the command ended or the stream was lost. */
  follow(
    attemptId: string,
    from: Record<Stream, number>,
    onPiece: (piece: LogPiece) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * The truth: the report of now, and the bytes kept of one stream from `offset` on, at most `limit` of them.
   * A piece that begins later than asked means that the bytes between are gone, a shorter one nothing; null: there is
   * nothing from `offset` on.
   */
  collect(
    attemptId: string,
    stream: Stream,
    offset: number,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ report: MachineReport; piece: LogPiece | null }>;
  /** What the command left in its output file, at most `limit` bytes of `total`; null when it left none. */
  output(attemptId: string, limit: number, signal: AbortSignal): Promise<{ total: number; bytes: Uint8Array } | null>;
  /** Asks the machine to end the command (TERM, grace, KILL); it goes on by itself when the link dies. */
  cancel(attemptId: string, graceSeconds: number, signal: AbortSignal): Promise<MachineReport>;
  /** Makes sure that a start which has not happened never will. */
  fence(attemptId: string, signal: AbortSignal): Promise<MachineReport>;
  /** Removes workspace and logs of an ended attempt, leaving its tombstone. */
  clean(attemptId: string, signal: AbortSignal): Promise<void>;
  /** The same, but for people the workspace stays until it was kept long enough. */
  keep(attemptId: string, signal: AbortSignal): Promise<void>;
  /** Removes what was kept so long, old tombstones, and wrapper scripts that nothing needs any more. */
  tidy(keepSeconds: number, signal: AbortSignal): Promise<void>;
  /** Round trip through the wrapper: is the machine able to take work? Answers its store id and boot id. */
  ping(signal: AbortSignal): Promise<{ storeId: string; bootId: string }>;
};
