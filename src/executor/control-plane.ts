import type { Renewal, Result } from '../domain/attempt.ts';
import type { Stream } from '../domain/machine.ts';
import type { ProcessIdentity } from '../domain/process.ts';
import type { Environment } from '../domain/task.ts';

/**
 * lease_lost: the attempt is somebody else's or nobody's now; nothing more about it is accepted.
 * stop_asked: the command may not be started, or goes on only until it is stopped.
 * finished: this holder ended the attempt already.
 * unavailable: nobody answered, or not now; the same call later is right.
 * refused: the same call will never be accepted; `nextOffset` tells a log write from where to go on.
 */
export type ControlPlaneErrorKind = 'lease_lost' | 'stop_asked' | 'finished' | 'unavailable' | 'refused';

export class ControlPlaneError extends Error {
  override name = 'ControlPlaneError';
  readonly kind: ControlPlaneErrorKind;
  readonly nextOffset: number | null;
  constructor(
    kind: ControlPlaneErrorKind,
    message: string,
    { nextOffset = null, ...options }: ErrorOptions & { nextOffset?: number | null } = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.nextOffset = nextOffset;
  }
}

/** What the task gives to its command, its secrets among it: had at each start, and kept nowhere. */
export type Granted = { environment: Environment };

/** What the command says of how far it is. */
export type ProgressNote = { percent: number | null; message: string | null };

/**
 * gap: the bytes between the next expected offset and this one are left out for good ·
 * end: nothing will follow.
 */
export type LogMarks = { gap: boolean; end: boolean };

/** How a log write was taken: bytes before `nextOffset` need not be sent again. */
export type LogWritten = { nextOffset: number; followed: boolean };

/**
 * What the driver of an attempt says to whoever holds the truth about tasks: over HTTP from an agent, in process from
 * the dispatch loop. Every call may be repeated after any failure. All throw {@link ControlPlaneError}.
 */
export type ControlPlane = {
  /** Asks whether the command may start (`process` null), then says which process it became. */
  start(attemptId: string, process: ProcessIdentity | null, signal: AbortSignal): Promise<Granted>;
  renew(attemptId: string, progress: ProgressNote | null, signal: AbortSignal): Promise<Renewal>;
  /** At most 1 MiB. Of what may begin a secret nothing is taken before it is sent again with what follows, or as the end. */
  writeLog(
    attemptId: string,
    stream: Stream,
    offset: number,
    bytes: Uint8Array,
    marks: LogMarks,
    signal: AbortSignal,
  ): Promise<LogWritten>;
  complete(attemptId: string, result: Result, signal: AbortSignal): Promise<void>;
};
