import type { StartSpec } from '../domain/machine.ts';
import type { ControlPlane } from '../executor/control-plane.ts';
import type { Log } from '../executor/log.ts';
import type { Machine } from '../executor/machine.ts';
import { type AttemptEnd, runAttempt } from '../executor/run-attempt.ts';
import { unlessAborted } from '../executor/until.ts';
import type { AgentStore, OpenAttempt, TakenTask } from './store.ts';

export type AttemptsDeps = {
  plane: ControlPlane;
  machine: Machine;
  store: AgentStore;
  installationId: string;
  capacity: number;
  killGraceSeconds: number;
  log: Log;
};

/** The attempts that this agent drives now. */
export type Attempts = {
  /** Drives an attempt that was just taken, or one that an earlier start of the agent left open. */
  begin(attempt: OpenAttempt, found: 'new' | 'again'): void;
  readonly running: readonly StartSpec[];
  /** How many places are free, as soon as it is one. @throws the signal's reason */
  freePlaces(signal: AbortSignal): Promise<number>;
  /** Resolves when nothing is driven. */
  idle(): Promise<void>;
  /** What has not begun is not to begin: it goes back to the server. */
  handBack(): void;
  /** Stops driving; the commands go on. Resolves when nothing is driven. */
  detach(): Promise<void>;
};

export function createAttempts(deps: AttemptsDeps): Attempts {
  const { capacity, log } = deps;
  const driven = new Map<string, { spec: StartSpec; over: Promise<void> }>();
  const stops = { handBack: new AbortController(), detach: new AbortController() };
  let changed = Promise.withResolvers<void>();

  async function drive(attempt: OpenAttempt, spec: StartSpec, found: 'new' | 'again'): Promise<void> {
    const about = { attempt_id: spec.attemptId, task_id: spec.taskId };
    log.info(about, found === 'new' ? 'attempt taken' : 'attempt found again');
    try {
      noteEnd(deps, about, await runOne(deps, attempt, spec, found, stops));
    } catch (error) {
      log.error({ ...about, err: error }, 'attempt left, the next start of the agent takes it up');
    } finally {
      driven.delete(spec.attemptId);
      changed.resolve();
      changed = Promise.withResolvers();
    }
  }

  return {
    begin(attempt, found) {
      const spec = specOf(deps, attempt.task);
      if (driven.has(spec.attemptId)) return;
      const entry = { spec, over: Promise.resolve() };
      driven.set(spec.attemptId, entry);
      entry.over = drive(attempt, spec, found);
    },
    get running() {
      return [...driven.values()].map(({ spec }) => spec);
    },
    async freePlaces(signal) {
      while (driven.size >= capacity) await unlessAborted(changed.promise, signal);
      return capacity - driven.size;
    },
    async idle() {
      while (driven.size > 0) await changed.promise;
    },
    handBack: () => stops.handBack.abort(),
    async detach() {
      stops.detach.abort();
      await Promise.all([...driven.values()].map(({ over }) => over));
    },
  };
}

function runOne(
  { plane, machine, store, log }: AttemptsDeps,
  attempt: OpenAttempt,
  spec: StartSpec,
  found: 'new' | 'again',
  stops: { handBack: AbortController; detach: AbortController },
): Promise<AttemptEnd> {
  const { attemptId } = spec;
  return runAttempt({
    plane,
    machine,
    spec,
    resume: found === 'new' ? null : { store: attempt.machine, process: attempt.process },
    renewSeconds: attempt.task.renewSeconds,
    handBack: stops.handBack.signal,
    signal: stops.detach.signal,
    hooks: {
      onStarting: async (machineStore) => store.setMachine(attemptId, machineStore),
      onProcess: async (process) => store.setProcess(attemptId, process),
      onEnded: async (result) => store.setResult(attemptId, result),
    },
    log,
  });
}

function noteEnd({ store, log }: AttemptsDeps, about: { attempt_id: string }, end: AttemptEnd): void {
  switch (end.kind) {
    case 'ended':
      store.leave(about.attempt_id, 'reported');
      log.info({ ...about, outcome: end.result?.outcome ?? null, error: end.result?.error ?? null }, 'attempt ended');
      break;
    case 'lease_lost':
      store.leave(about.attempt_id, 'fenced');
      log.warn({ ...about, outcome: end.result?.outcome ?? null }, 'attempt is not ours any more');
      break;
    default:
      log.info(about, 'attempt left to the machine');
  }
}

const specOf = ({ installationId, killGraceSeconds }: AttemptsDeps, task: TakenTask): StartSpec => ({
  attemptId: task.attemptId,
  taskId: task.taskId,
  number: task.number,
  installationId,
  command: task.command,
  input: Buffer.from(task.inputBase64 ?? task.input, task.inputBase64 === null ? 'utf8' : 'base64'),
  environment: task.environment,
  limits: task.limits,
  sandbox: task.sandbox,
  timeoutSeconds: task.timeoutSeconds,
  killGraceSeconds,
});
