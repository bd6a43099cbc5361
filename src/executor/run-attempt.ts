import type { Result } from '../domain/attempt.ts';
import type { MachineReport } from '../domain/machine.ts';
import { askMachine, stopCommand } from './attempt/ask-machine.ts';
import { type Driven, driveMachine, noteProcess } from './attempt/drive-machine.ts';
import { createLife, type Life, noteProgress } from './attempt/life.ts';
import type { AttemptEnd, RunAttemptOptions } from './attempt/options.ts';
import { lost, readEnding } from './attempt/read-ending.ts';
import { OUTPUT_LIMIT_BYTES, readOutput } from './attempt/read-output.ts';
import { watchCommand } from './attempt/watch-command.ts';
import { ControlPlaneError, type Granted } from './control-plane.ts';
import { MachineError } from './machine.ts';

export type { AttemptEnd, AttemptHooks, MachineStore, Resumed, RunAttemptOptions } from './attempt/options.ts';

const LAUNCH_SECONDS = 30;
const CLEAN_MS = 10_000;
const NOTHING_ELSE = { launchFailure: null, unstarted: false, forgotten: false } as const;

/**
 * The life of an attempt, fresh or found again, over SSH and pulled alike: ask whether it may start, start it once,
 * renew the lease, bring the log over, end it when told to, say truly how it ended. Rejects only on a defect or when a
 * hook does; everything that can go wrong outside is waited out or becomes an {@link AttemptEnd}.
 */
export async function runAttempt(options: RunAttemptOptions): Promise<AttemptEnd> {
  const life = createLife(options);
  try {
    const granted = await askToStart(life);
    return await whileRenewing(life, () => driveToEnd(life, granted));
  } catch (error) {
    return await endOf(life, error);
  } finally {
    life.orders.release();
    life.lease.stop();
  }
}

/**
 * Nothing is started before the control plane has agreed. About a re-attached attempt it says whether it is still ours,
 * and what was asked while nobody drove it; over SSH that comes with the first answer of the machine.
 */
async function askToStart({ options, attemptId, orders, link, renewer, signal }: Life): Promise<Granted> {
  let granted: Granted = { environment: {} };
  try {
    granted = await link(signal, () => options.plane.start(attemptId, null, signal));
  } catch (error) {
    if (!(error instanceof ControlPlaneError && error.kind === 'stop_asked')) throw error;
    orders.stop('stop asked');
  }
  if (options.resume !== null && options.contactLease === undefined) await renewer.once(signal);
  return granted;
}

async function whileRenewing<T>({ options, renewer, signal }: Life, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const atOnce = options.resume !== null && options.contactLease !== undefined;
  const firstMs = atOnce ? 0 : options.renewSeconds * 1000;
  const renewing = renewer.loop(firstMs, AbortSignal.any([signal, over.signal]));
  try {
    return await work();
  } finally {
    over.abort();
    await renewing;
  }
}

async function driveToEnd(life: Life, granted: Granted): Promise<AttemptEnd> {
  const { memory, pump, announcer, signal } = life;
  if (memory.sent) await pump.findOffsets(signal);
  const { report, result } = await driveToResult(life, granted);
  if (report !== null) await pump.drain(report, signal);
  await announcer.settled();
  const accepted = await complete(life, result);
  if (report !== null) await leaveBehind(life, accepted);
  return { kind: 'ended', result: accepted };
}

/** The result is known, and kept, before the rest of the log is sent: the control plane may be away for days. */
async function driveToResult(life: Life, granted: Granted) {
  const { attemptId, machine, patience, seen, signal } = life;
  if (seen.result !== null) {
    const report = await askMachine(patience, () => machine.status(attemptId, signal));
    return { report, result: seen.result };
  }
  const driven = await driveMachine(driveDeps(life, granted), signal);
  return { report: driven.report, result: await endingOf(life, driven, signal) };
}

/** How the attempt ended, remembered from here on. */
async function endingOf(
  { options, orders, memory, seen, attemptId, machine, random }: Life,
  { report, launchFailure, unstarted, forgotten }: Driven,
  signal: AbortSignal,
): Promise<Result> {
  const output = () => machine.output(attemptId, OUTPUT_LIMIT_BYTES, signal);
  seen.result = readEnding(report, {
    stopReason: orders.stopReason,
    launchFailure,
    processSeen: memory.processSeen,
    unstarted,
    forgotten,
    timeoutSeconds: options.spec.timeoutSeconds,
    output: report?.state === 'done' ? readOutput(await askMachine({ random, signal }, output)) : null,
  });
  await options.hooks?.onEnded?.(seen.result);
  return seen.result;
}

function driveDeps(life: Life, { environment }: Granted): Parameters<typeof driveMachine>[0] {
  const { options, attemptId, machine, orders, memory, seen, pump, announcer, random, now } = life;
  const onProcess = announcer.announce;
  const onReport = (report: MachineReport) => {
    noteProcess({ memory, onProcess }, report);
    noteProgress(life, report);
  };
  return {
    machine,
    spec: { ...options.spec, environment: { ...options.spec.environment, ...environment } },
    orders,
    memory,
    launchMs: (options.launchSeconds ?? LAUNCH_SECONDS) * 1000,
    onStarting: async (store) => options.hooks?.onStarting?.(store),
    onNotStarted: async () => options.hooks?.onNotStarted?.(),
    store: options.store ?? null,
    onProcess,
    watch: (signal) =>
      watchCommand(
        {
          machine,
          attemptId,
          killGraceSeconds: options.spec.killGraceSeconds,
          orders,
          pump,
          isFollowed: () => seen.followed,
          onReport,
          random,
          log: options.log,
        },
        signal,
      ),
    random,
    now,
    log: options.log,
  };
}

/** Says the result until it is accepted; one that can't be accepted is said as lost. Answers what was accepted. */
async function complete({ options, attemptId, link, signal }: Life, result: Result): Promise<Result> {
  const say = async (what: Result) => {
    try {
      await link(signal, () => options.plane.complete(attemptId, what, signal));
    } catch (error) {
      if (!(error instanceof ControlPlaneError && error.kind === 'finished')) throw error;
    }
    return what;
  };
  try {
    return await say(result);
  } catch (error) {
    const refused = error instanceof ControlPlaneError && (error.kind === 'refused' || error.kind === 'stop_asked');
    if (!refused) throw error;
    options.log.error({ attempt_id: attemptId, cause: error.message }, 'result refused');
    return await say(lost(`the result was refused: ${error.message}`));
  }
}

/** The log is stored: what a success left on the machine goes, the rest stays for people. If that fails it is only untidy. */
async function leaveBehind({ options, attemptId, machine, signal }: Life, { outcome }: Result): Promise<void> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(CLEAN_MS)]);
  try {
    await (outcome === 'completed' ? machine.clean(attemptId, patience) : machine.keep(attemptId, patience));
  } catch (error) {
    const known = error instanceof MachineError || signal.aborted || (error as Error).name === 'TimeoutError';
    if (!known) throw error;
    options.log.warn({ attempt_id: attemptId, cause: String(error) }, 'workspace not cleaned');
  }
}

/** What an interruption means for the attempt; rethrows what is none. */
async function endOf(life: Life, error: unknown): Promise<AttemptEnd> {
  const { options, orders, seen } = life;
  const { contactLease, signal } = options;
  try {
    if (signal.aborted) return { kind: 'detached' };
    if (orders.fenced === 'lapsed') return { kind: 'lapsed' };
    if (orders.fenced === 'lease_lost') {
      if (contactLease === undefined) await endFenced(life);
      return { kind: 'lease_lost', result: seen.result };
    }
  } catch (cause) {
    if (signal.aborted) return { kind: 'detached' };
    throw cause;
  }
  if (error instanceof ControlPlaneError && error.kind === 'finished') return { kind: 'ended', result: null };
  throw error;
}

/** The command has no business any more: it is ended. What had ended by itself before that is said, as evidence. */
async function endFenced(life: Life): Promise<void> {
  const { options, attemptId, machine, memory, seen, link, random } = life;
  const { plane, spec, signal } = options;
  if (seen.result === null && memory.sent) {
    const report = await stopCommand(machine, spec, { random, signal });
    const byItself = report.state === 'done' && report.reason !== 'cancel';
    if (byItself) await endingOf(life, { ...NOTHING_ELSE, report }, signal);
  }
  const { result } = seen;
  if (result === null) return;
  await link(signal, () => plane.complete(attemptId, result, signal)).catch((error: unknown) => {
    if (!(error instanceof ControlPlaneError)) throw error; // that it is not accepted is known
  });
}
