import type { Result } from '../domain/attempt.ts';
import type { Json } from '../domain/canonical-json.ts';
import type { MachineReport } from '../domain/machine.ts';
import { askMachine, stopCommand } from './attempt/ask-machine.ts';
import { driveMachine, noteProcess } from './attempt/drive-machine.ts';
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
  const { options, orders, memory, pump, announcer, seen, signal } = life;
  if (memory.sent) await pump.findOffsets(signal);
  const { report, launchFailure, unstarted } = await driveMachine(driveDeps(life, granted), signal);
  if (report !== null) await pump.drain(report, signal);
  await announcer.settled();
  const result = readEnding(report, {
    stopReason: orders.stopReason,
    launchFailure,
    processSeen: memory.processSeen,
    unstarted,
    timeoutSeconds: options.spec.timeoutSeconds,
    output: report?.state === 'done' ? await commandOutput(life) : null,
  });
  seen.result = result;
  await options.hooks?.onEnded?.(result);
  const accepted = await complete(life, result);
  if (accepted.outcome === 'completed') await clean(life);
  return { kind: 'ended', result: accepted };
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

async function commandOutput({ machine, attemptId, patience, signal }: Life): Promise<Json> {
  return readOutput(await askMachine(patience, () => machine.output(attemptId, OUTPUT_LIMIT_BYTES, signal)));
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

/** Takes what a success left on the machine away; if that fails it is only untidy. */
async function clean({ options, attemptId, machine, signal }: Life): Promise<void> {
  try {
    await machine.clean(attemptId, AbortSignal.any([signal, AbortSignal.timeout(CLEAN_MS)]));
  } catch (error) {
    const known = error instanceof MachineError || signal.aborted || (error as Error).name === 'TimeoutError';
    if (!known) throw error;
    options.log.warn({ attempt_id: attemptId, cause: String(error) }, 'workspace not cleaned');
  }
}

/** What an interruption means for the attempt; rethrows what is none. */
async function endOf(life: Life, error: unknown): Promise<AttemptEnd> {
  const { options, orders, memory, seen, random } = life;
  const { machine, spec, contactLease, signal } = options;
  try {
    if (signal.aborted) return { kind: 'detached' };
    if (orders.fenced === 'lapsed') return { kind: 'lapsed' };
    if (orders.fenced === 'lease_lost') {
      const mayRun = memory.sent && seen.result === null;
      if (mayRun && contactLease === undefined) await stopCommand(machine, spec, { random, signal });
      return { kind: 'lease_lost', result: seen.result };
    }
  } catch (cause) {
    if (signal.aborted) return { kind: 'detached' };
    throw cause;
  }
  if (error instanceof ControlPlaneError && error.kind === 'finished') return { kind: 'ended', result: null };
  throw error;
}
