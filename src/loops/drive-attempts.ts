import type { StartSpec } from '../domain/machine.ts';
import { derivedAttemptToken } from '../domain/token.ts';
import { commandEnvironment } from '../executor/command-environment.ts';
import type { Machine } from '../executor/machine.ts';
import { type MachineStore, runAttempt } from '../executor/run-attempt.ts';
import type { Deps } from '../usecases/deps.ts';
import {
  type AttemptToDrive,
  attemptToDrive,
  forgetStarting,
  recordContact,
  recordStarting,
  SILENT_SECONDS,
  stopAskedOf,
} from '../usecases/hosts/host-attempts.ts';
import { type Host, type Hosts, machineOf } from './hosts.ts';
import { createReplicaPlane } from './replica-plane.ts';

type Log = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>;

export type DriverOptions = {
  deps: Deps;
  replicaId: string;
  installation: { id: string; secret: Uint8Array };
  /** Where commands reach this server. */
  publicUrl: () => string;
  hosts: Hosts;
  log: Log;
};

type Known = AttemptToDrive & { knownMs: number };

export type Driver = {
  /**
   * Drives an attempt that this replica holds; one that is driven already goes on. Looks up what is to be known of it
   * unless that is told, and since when it is known (ms of `performance.now()`).
   */
  drive(attemptId: string, told?: Known): void;
  readonly driven: ReadonlySet<string>;
  /** Stops driving; the commands go on. */
  stop(): Promise<void>;
};

/** A host that said nothing about an attempt for so long is out of reach for it. */
const SILENT_MS = SILENT_SECONDS * 1000;

export function createDriver(options: DriverOptions): Driver {
  const { deps, replicaId, hosts, log } = options;
  const stopping = new AbortController();
  const driving = new Map<string, Promise<void>>();

  const lookUp = async (attemptId: string): Promise<Known | null> => {
    const knownMs = performance.now();
    const found = await attemptToDrive(deps, replicaId, attemptId);
    return found && { ...found, knownMs };
  };
  const driveOne = async (attemptId: string, told: Known | null) => {
    const found = told ?? (await lookUp(attemptId));
    const host = found && hosts.find(found.attempt.hostId);
    if (!found || !host) return;
    const goneSeconds = (performance.now() - found.knownMs) / 1000;
    const driven = { ...found, leaseSeconds: found.leaseSeconds - goneSeconds };
    const end = await runWatched(options, driven, host, stopping.signal);
    log.info({ attempt_id: attemptId, task_id: found.task.id, host: host.id, end }, 'attempt is driven no more');
  };

  return {
    drive(attemptId, told) {
      if (driving.has(attemptId) || stopping.signal.aborted) return;
      const done = driveOne(attemptId, told ?? null)
        .catch((error: unknown) => log.error({ err: error, attempt_id: attemptId }, 'driving an attempt failed'))
        .finally(() => driving.delete(attemptId));
      driving.set(attemptId, done);
    },
    get driven() {
      return new Set(driving.keys());
    },
    async stop() {
      stopping.abort();
      await Promise.all(driving.values());
    },
  };
}

async function runWatched(
  options: DriverOptions,
  found: AttemptToDrive,
  host: Host,
  signal: AbortSignal,
): Promise<string> {
  const { deps, replicaId, log } = options;
  const attemptId = found.attempt.id;
  const contact = watchContact(options, attemptId);
  const starting = startsOnRecord(options, attemptId, machineOf(host, found.wrapper));
  const stop = listenForStop(options, found);
  try {
    const { kind } = await runAttempt({
      plane: createReplicaPlane(deps, replicaId),
      machine: starting.machine,
      spec: specOf(options, found),
      resume: found.resume,
      renewSeconds: deps.settings.leases.renewSeconds,
      contactLease: { seconds: found.leaseSeconds },
      store: options.hosts.storeOf(host.id),
      hooks: { onStarting: starting.onStarting, onNotStarted: starting.onNotStarted, onContact: contact.answered },
      stopAsked: stop.asked,
      signal,
      log,
      random: deps.random,
    });
    return kind;
  } finally {
    stop.close();
    contact.stop();
  }
}

/** What the next renewal would tell, as soon as there is a hint: a command that is to stop has no time to lose. */
function listenForStop({ deps }: DriverOptions, { task, attempt }: AttemptToDrive) {
  const stop = new AbortController();
  const look = async () => {
    const reason = await stopAskedOf(deps, attempt.id);
    if (reason !== null) stop.abort(reason);
  };
  const close = deps.wakeups.subscribe((hint) => {
    if (hint.kind !== 'task' || hint.taskId !== task.id || stop.signal.aborted) return;
    look().catch(() => {}); // the renewal asks again
  });
  return { asked: stop.signal, close };
}

/**
 * Each start that is sent is written down before, not the first alone: the host's watchdog counts from the one that
 * began the command, and a start may be sent again hours later by a replica that goes on with the attempt.
 */
function startsOnRecord({ deps, replicaId }: DriverOptions, attemptId: string, machine: Machine) {
  let recorded = false;
  return {
    async onStarting(store: MachineStore) {
      await recordStarting(deps, replicaId, attemptId, { ...store, wrapper: machine.wrapper });
      recorded = true;
    },
    onNotStarted: () => forgetStarting(deps, replicaId, attemptId),
    machine: {
      ...machine,
      async start(...args: Parameters<Machine['start']>) {
        if (!recorded) await recordStarting(deps, replicaId, attemptId, null);
        recorded = false;
        return machine.start(...args);
      },
    },
  };
}

/** Notes on the attempt when its host falls silent, and when it answers again, one after the other. */
function watchContact({ deps, replicaId, log }: DriverOptions, attemptId: string) {
  let noted: 'ok' | 'unreachable' | null = null;
  let writing = Promise.resolve();
  const note = (state: 'ok' | 'unreachable') => {
    if (noted === state) return;
    noted = state;
    const forSeconds = state === 'ok' ? 0 : SILENT_SECONDS;
    writing = writing.then(() =>
      recordContact(deps, replicaId, attemptId, state, forSeconds).catch((error: unknown) => {
        noted = null;
        log.warn({ err: error, attempt_id: attemptId }, 'the contact of an attempt could not be noted');
      }),
    );
  };
  const silent = () => note('unreachable');
  let timer = setTimeout(silent, SILENT_MS);
  return {
    answered() {
      clearTimeout(timer);
      timer = setTimeout(silent, SILENT_MS);
      note('ok');
    },
    stop: () => clearTimeout(timer),
  };
}

const specOf = ({ installation, publicUrl, deps }: DriverOptions, { task, attempt }: AttemptToDrive): StartSpec => ({
  attemptId: attempt.id,
  taskId: task.id,
  number: attempt.number,
  installationId: installation.id,
  command: task.command,
  input: task.inputBytes ?? Buffer.from(task.input ?? ''),
  environment: commandEnvironment({
    url: publicUrl(),
    token: derivedAttemptToken(installation.secret, attempt.id),
    repository: task.repository,
    ref: task.source?.ref ?? null,
    sha: task.source?.sha ?? null,
    issue: task.source?.number ?? null,
    agent: {},
  }),
  limits: task.limits,
  sandbox: task.sandbox,
  timeoutSeconds: task.timeoutSeconds,
  killGraceSeconds: deps.settings.execution.killGraceSeconds,
});
