import type { MachineReport, StartSpec } from '../../domain/machine.ts';
import type { ProcessIdentity } from '../../domain/process.ts';
import { linkBackoff } from '../backoff.ts';
import type { Log } from '../log.ts';
import { type Machine, MachineError, NotSent, StartRefused } from '../machine.ts';
import { type Act, isForgotten, type Memory, nextAct } from './next-act.ts';
import type { MachineStore } from './options.ts';
import type { Orders } from './orders.ts';
import type { LaunchFailure } from './read-ending.ts';

export type DriveDeps = {
  machine: Machine;
  spec: StartSpec;
  orders: Orders;
  memory: Memory;
  /** How long the machine may take to begin the command. */
  launchMs: number;
  /** Told before the first start is sent, to be remembered past our own death. */
  onStarting: (store: MachineStore) => Promise<void>;
  /** It was not sent after all, or began nothing. */
  onNotStarted: () => Promise<void>;
  /** What the machine's memory and boot were a moment ago, if that is known: the start is for no other. */
  store: MachineStore | null;
  onProcess: (process: ProcessIdentity) => void;
  /** Sees to a command that is starting or running until it is neither. */
  watch: (signal: AbortSignal) => Promise<MachineReport>;
  random: () => number;
  now: () => number;
  log: Log;
};

/** The machine's last word on the attempt (null: it never heard of it), and what can't be read from that. */
export type Driven = {
  report: MachineReport | null;
  launchFailure: LaunchFailure | null;
  unstarted: boolean;
  forgotten: boolean;
};

/** The machine will not begin the command, and surely has not. */
class LaunchRefused extends Error {
  override name = 'LaunchRefused';
  readonly failure: LaunchFailure;
  constructor(failure: LaunchFailure, options?: ErrorOptions) {
    super(failure.error, options);
    this.failure = failure;
  }
}

/**
 * Brings the attempt on its machine from where it stands to its end: starts it once, watches it, or makes sure that it
 * never begins. A machine that can't be asked is asked again until the signal is aborted.
 */
export async function driveMachine(deps: DriveDeps, signal: AbortSignal): Promise<Driven> {
  const { memory, orders } = deps;
  const backoff = linkBackoff(deps.random);
  const launch = createLaunch(deps);
  let report: MachineReport | null = null;
  let unstarted = false;
  let forgotten = false;
  const next = () => nextAct(report, memory, orders.hold || launch.failure !== null);
  for (let act = next(); act !== 'end'; ) {
    const before = act;
    try {
      report = await perform(deps, launch, act, signal);
      noteProcess(deps, report);
      unstarted ||= report.state === 'unstarted';
      forgotten ||= isForgotten(report, memory);
    } catch (error) {
      signal.throwIfAborted();
      report = null;
      noteFailure(deps, launch, error);
    }
    launch.checkTime(report);
    act = next();
    if (act === before || report === null) await orders.pause(backoff.next(), signal);
    else backoff.reset();
  }
  return { report, launchFailure: launch.failure, unstarted, forgotten };
}

function noteFailure({ log, spec }: DriveDeps, launch: Launch, error: unknown): void {
  if (error instanceof LaunchRefused) launch.fail(error.failure);
  else if (!(error instanceof MachineError)) throw error;
  else log.debug({ attempt_id: spec.attemptId, kind: error.kind, cause: error.message }, 'machine not reached');
}

function perform(deps: DriveDeps, launch: Launch, act: Exclude<Act, 'end'>, signal: AbortSignal) {
  const { machine, spec } = deps;
  switch (act) {
    case 'start':
      return launch.start(signal);
    case 'status':
      return machine.status(spec.attemptId, signal);
    case 'fence':
      return machine.fence(spec.attemptId, signal);
    case 'cancel':
      return machine.cancel(spec.attemptId, spec.killGraceSeconds, signal);
    case 'watch':
      return deps.watch(signal);
  }
}

export function noteProcess({ memory, onProcess }: Pick<DriveDeps, 'memory' | 'onProcess'>, report: MachineReport) {
  if (report.process === null) return;
  memory.processSeen = true;
  onProcess(report.process);
}

type Launch = {
  readonly failure: LaunchFailure | null;
  fail(failure: LaunchFailure): void;
  /** @throws {LaunchRefused} when the machine said no, {@link MachineError} when it is not known what became of it */
  start(signal: AbortSignal): Promise<MachineReport>;
  /** Gives up on a machine that takes too long; where a start may have reached it, only once it is known not to have. */
  checkTime(report: MachineReport | null): void;
};

function createLaunch(deps: DriveDeps): Launch {
  const { memory, machine, spec, now } = deps;
  const deadline = now() + deps.launchMs;
  let known = deps.store;
  let failure: LaunchFailure | null = null;
  let lastError = 'the machine did not begin the command in time';
  const note = (error: unknown) => {
    if (error instanceof MachineError) lastError = error.message;
  };
  /** Nothing was sent after all, and which memory the machine has is to be asked before anything is. */
  const forget = async () => {
    memory.sent = false;
    memory.store = known = null;
    await deps.onNotStarted();
  };
  return {
    get failure() {
      return failure;
    },
    fail(why) {
      failure ??= why;
    },
    async start(signal) {
      try {
        memory.store ??= await prepare(deps, known, signal);
        const first = !memory.sent;
        memory.sent = true;
        return await machine.start({ ...spec, store: memory.store }, signal).catch(async (error: unknown) => {
          if (first && beganNothing(error)) await forget();
          throw error;
        });
      } catch (error) {
        note(error);
        // Where an earlier start may have reached the machine, it is fenced: then it is known whether it did.
        const surely = !memory.sent || error instanceof StartRefused;
        if (surely && isFinal(error)) throw new LaunchRefused(failureOf(error), { cause: error });
        throw error;
      }
    },
    checkTime(report) {
      const begun = report !== null && report.state !== 'none' && report.state !== 'busy';
      const late = now() > deadline && !begun && !memory.processSeen && (report !== null || !memory.sent);
      if (late) failure ??= { failureClass: 'infrastructure', ownFailure: true, error: lastError };
    },
  };
}

/** Notes which memory and boot the machine has, so that a later `none` can be told from a forgotten start. */
async function prepare({ machine, onStarting }: DriveDeps, known: MachineStore | null, signal: AbortSignal) {
  const store = known ?? (await machine.ping(signal));
  await onStarting(store);
  return store;
}

/** The machine's own answer to a start: it has begun nothing. Of `shell`, `noise` and a dead link this isn't known. */
const REFUSALS: readonly string[] = ['home', 'disk_full', 'refused', 'store_changed', 'configuration'];
const beganNothing = (error: unknown): boolean =>
  error instanceof NotSent || (error instanceof MachineError && REFUSALS.includes(error.kind));

/** Trying again would not help: everything but a machine that is out of reach for now, or has a new memory. */
const isFinal = (error: unknown): error is MachineError =>
  error instanceof MachineError && error.kind !== 'unreachable' && error.kind !== 'store_changed';

function failureOf(error: MachineError): LaunchFailure {
  if (error instanceof StartRefused) {
    return { failureClass: error.failureClass, ownFailure: false, error: error.message };
  }
  const ownFailure = error.kind !== 'configuration';
  const setup = error.kind === 'disk_full' || !ownFailure;
  return { failureClass: setup ? 'setup' : 'infrastructure', ownFailure, error: error.message };
}
