import type { Result } from '../../domain/attempt.ts';
import type { StartSpec } from '../../domain/machine.ts';
import type { ProcessIdentity } from '../../domain/process.ts';
import type { ControlPlane } from '../control-plane.ts';
import type { Log } from '../log.ts';
import type { Machine } from '../machine.ts';

/** Identity of a machine's memory, and of the boot in which it was read. */
export type MachineStore = { storeId: string; bootId: string };

/** What is on record of an attempt that somebody drove before: a start may have been sent, a result may be known. */
export type Resumed = { store: MachineStore | null; process: ProcessIdentity | null; result?: Result | null };

/** Called at the moments that must outlive the driver; what they return is awaited before the life goes on. */
export type AttemptHooks = {
  /** Before the first start is sent. */
  onStarting?: (store: MachineStore) => Promise<void>;
  /** That start was surely not sent, or the machine said that it began nothing: as if there had been none. */
  onNotStarted?: () => Promise<void>;
  /** The machine has shown the command's process. */
  onProcess?: (process: ProcessIdentity) => Promise<void>;
  /** It is known how the attempt ended, before anything of that is said. */
  onEnded?: (result: Result) => Promise<void>;
  /** The machine answered about the attempt. */
  onContact?: () => void;
};

export type RunAttemptOptions = {
  plane: ControlPlane;
  machine: Machine;
  spec: StartSpec;
  /** Null for an attempt that nobody has driven yet. */
  resume: Resumed | null;
  renewSeconds: number;
  /**
   * Set over SSH, where the lease is contact: it is renewed only if the machine has answered since the last renewal,
   * driving ends when the lease of so many seconds has lapsed by our own clock, and a lost one leaves the command alone.
   * Unset, a lost lease ends the command.
   */
  contactLease?: { seconds: number };
  /** What the machine's memory and boot were a moment ago; asked before the first start where nobody knows. */
  store?: MachineStore | null;
  /** How long the machine may take to begin the command; 30 unless said. */
  launchSeconds?: number;
  /** Aborted: a command that has not begun is not to begin, and the attempt is handed back. */
  handBack?: AbortSignal;
  /** Aborted, with why as its reason: the command is to be stopped, before the next renewal says so. */
  stopAsked?: AbortSignal;
  hooks?: AttemptHooks;
  /** Aborted: stop driving at once and leave the command to the machine. */
  signal: AbortSignal;
  log: Log;
  random?: () => number;
  /** Milliseconds on a clock that nobody sets. */
  now?: () => number;
};

/**
 * ended: the control plane has a result (null: it had one before) · lease_lost: the attempt is not ours any more; over
 * SSH nothing was touched, else the command is proven ended · lapsed: over SSH, the lease must be taken again first ·
 * detached: the signal ended the driving, the command goes on.
 */
export type AttemptEnd =
  | { kind: 'ended'; result: Result | null }
  | { kind: 'lease_lost'; result: Result | null }
  | { kind: 'lapsed' }
  | { kind: 'detached' };
