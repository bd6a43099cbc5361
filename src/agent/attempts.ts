import { BLANK_RESULT, type Result } from '../domain/attempt.ts';
import type { StartSpec } from '../domain/machine.ts';
import type { Log } from '../executor/log.ts';
import { MachineError } from '../executor/machine.ts';
import type { AttemptEnd, MachineStore } from '../executor/run-attempt.ts';
import { unlessAborted } from '../executor/until.ts';
import { createOutbox, type Outbox, type SayEndings } from './outbox.ts';
import type { AgentStore, OpenAttempt, TakenTask } from './store.ts';
import { StoreFull } from './store-file.ts';
import type { Work } from './work.ts';

export type AttemptsDeps = {
  work: { use(): Promise<Pick<Work, 'plane' | 'sayEndings' | 'machine' | 'runAttempt'>> };
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
  /** For how long nothing has been driven. */
  readonly restedMs: number;
  /** How many places are free, as soon as it is one. @throws the signal's reason */
  freePlaces(signal: AbortSignal): Promise<number>;
  /** Resolves when nothing is driven. */
  idle(): Promise<void>;
  /** Gives back at once what could not be kept, if the server can be told: else its lease ends by itself. */
  giveBack(tasks: readonly TakenTask[], signal: AbortSignal): Promise<void>;
  /** What has not begun is not to begin: it goes back to the server. */
  handBack(): void;
  /** Stops driving; the commands go on. Resolves when nothing is driven. */
  detach(): Promise<void>;
};

export function createAttempts(deps: AttemptsDeps): Attempts {
  const { capacity, log } = deps;
  const driven = new Map<string, { spec: StartSpec; over: Promise<void> }>();
  const stops = { handBack: new AbortController(), detach: new AbortController() };
  const sayEndings: SayEndings = async (endings, signal) => (await deps.work.use()).sayEndings(endings, signal);
  const outbox = createOutbox(sayEndings, stops.detach.signal);
  let restsSince = performance.now();
  const lately: Lately = { machine: null };
  let changed = Promise.withResolvers<void>();

  async function drive(attempt: OpenAttempt, spec: StartSpec, found: 'new' | 'again'): Promise<void> {
    const about = { attempt_id: spec.attemptId, task_id: spec.taskId };
    log.info(about, found === 'new' ? 'attempt taken' : 'attempt found again');
    try {
      noteEnd(deps, about, await runOne({ ...deps, outbox, lately }, attempt, spec, found, stops));
    } catch (error) {
      log.error({ ...about, err: error }, 'attempt left, the next start of the agent takes it up');
    } finally {
      outbox.left(spec.attemptId);
      driven.delete(spec.attemptId);
      restsSince = performance.now();
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
      if (attempt.result !== null) outbox.ended(spec.attemptId);
      entry.over = drive(attempt, spec, found);
    },
    get running() {
      return [...driven.values()].map(({ spec }) => spec);
    },
    get restedMs() {
      return driven.size > 0 ? 0 : performance.now() - restsSince;
    },
    async freePlaces(signal) {
      while (driven.size >= capacity) await unlessAborted(changed.promise, signal);
      return capacity - driven.size;
    },
    async idle() {
      while (driven.size > 0) await changed.promise;
    },
    giveBack: async (tasks, signal) => {
      const result: Result = { ...BLANK_RESULT, outcome: 'released', error: 'the disk of the agent is full' };
      await sayEndings(
        tasks.map(({ attemptId }) => ({ attemptId, result })),
        signal,
      );
    },
    handBack: () => stops.handBack.abort(),
    async detach() {
      stops.detach.abort();
      await Promise.all([...driven.values()].map(({ over }) => over));
    },
  };
}

/** The machine's memory and boot as the last start found them, so that the next one needn't ask before. */
type Lately = { machine: MachineStore | null };

async function runOne(
  { work, store, outbox, lately, log }: AttemptsDeps & { outbox: Outbox; lately: Lately },
  attempt: OpenAttempt,
  spec: StartSpec,
  found: 'new' | 'again',
  stops: { handBack: AbortController; detach: AbortController },
): Promise<AttemptEnd> {
  const { attemptId } = spec;
  const { machine: known, process, result } = attempt;
  const { plane, machine, runAttempt } = await work.use();
  return runAttempt({
    plane: { ...plane, complete: outbox.complete },
    machine,
    spec,
    resume: found === 'new' ? null : { store: known, process, result },
    renewSeconds: attempt.task.renewSeconds,
    store: lately.machine,
    handBack: stops.handBack.signal,
    signal: stops.detach.signal,
    hooks: {
      onStarting: async (machineStore) => {
        lately.machine = machineStore;
        keepOrRefuse(() => store.setMachine(attemptId, machineStore));
      },
      // The machine keeps both as well, and is asked again at the next start.
      onProcess: async (process) => keepIfRoom(log, attemptId, () => store.setProcess(attemptId, process)),
      onEnded: async (result) => {
        outbox.ended(attemptId);
        keepIfRoom(log, attemptId, () => store.setResult(attemptId, result));
        log.info({ attempt_id: attemptId, task_id: spec.taskId, outcome: result.outcome }, 'command ended');
      },
    },
    log,
  });
}

/** Nothing is begun that a next start would not know of. */
function keepOrRefuse(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!(error instanceof StoreFull)) throw error;
    throw new MachineError('disk_full', error.message, { cause: error });
  }
}

function keepIfRoom(log: Log, attemptId: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!(error instanceof StoreFull)) throw error;
    log.error({ attempt_id: attemptId, cause: error.message }, 'not written down, the attempt goes on');
  }
}

function noteEnd({ store, log }: AttemptsDeps, about: { attempt_id: string }, end: AttemptEnd): void {
  switch (end.kind) {
    case 'ended':
      keepIfRoom(log, about.attempt_id, () => store.leave(about.attempt_id, 'reported'));
      log.info({ ...about, outcome: end.result?.outcome ?? null, error: end.result?.error ?? null }, 'attempt ended');
      break;
    case 'lease_lost':
      keepIfRoom(log, about.attempt_id, () => store.leave(about.attempt_id, 'fenced'));
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
