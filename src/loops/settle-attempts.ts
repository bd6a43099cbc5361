import type { MachineReport, MachineState } from '../domain/machine.ts';
import { readEnding } from '../executor/attempt/read-ending.ts';
import { ControlPlaneError } from '../executor/control-plane.ts';
import type { Deps } from '../usecases/deps.ts';
import { noteAsked, settle, type Unsettled, unsettledOn } from '../usecases/hosts/host-attempts.ts';
import { getAttempt, getTask } from '../usecases/task/read-tasks.ts';
import { createGiveAgain, type GiveAgain } from './give-again.ts';
import { type Host, machineOf } from './hosts.ts';
import { createReplicaPlane } from './replica-plane.ts';

type Log = Record<'info' | 'warn', (fields: object, message: string) => void>;

export type Settler = {
  /**
   * Begins to ask these hosts about attempts that ended without their word. Resolves before they have answered: one
   * that is slow must not keep the others waiting. Nothing is started on a host before it was asked about each of them.
   */
  ask(hosts: readonly Host[]): Promise<void>;
  /** Gives up what is under way. */
  stop(): Promise<void>;
};

/** Of one attempt on one host. */
const ANSWER_MS = 10_000;

export function createSettler(deps: Deps, replicaId: string, log: Log): Settler {
  const stopping = new AbortController();
  const asking = new Map<string, Promise<void>>();
  const failing = new Set<string>();
  const ends = new Map<string, GiveAgain>();

  const settleAll = async (host: Host, attempts: readonly Unsettled[]) => {
    const toEnd = ends.get(host.id) ?? createGiveAgain(() => performance.now());
    ends.set(host.id, toEnd);
    toEnd.only(attempts.map(({ id }) => id));
    try {
      for (const attempt of attempts) {
        await settleOne({ deps, replicaId, log, toEnd }, host, attempt, stopping.signal);
        await noteAsked(deps, attempt.id);
      }
      failing.delete(host.id);
    } catch (error) {
      if (!failing.has(host.id) && !stopping.signal.aborted) {
        log.warn({ err: error, host: host.id }, 'a host could not be asked about attempts that ended, trying again');
      }
      failing.add(host.id);
      toEnd.reset();
    } finally {
      asking.delete(host.id);
    }
  };

  return {
    async ask(hosts) {
      for (const host of hosts) {
        if (asking.has(host.id) || stopping.signal.aborted) continue;
        const attempts = await unsettledOn(deps, host.id);
        if (attempts.length > 0) asking.set(host.id, settleAll(host, attempts));
      }
    },
    async stop() {
      stopping.abort();
      await Promise.all(asking.values());
    },
  };
}

type Settling = { deps: Deps; replicaId: string; log: Log; toEnd: GiveAgain };

const ALIVE: readonly MachineState[] = ['starting', 'running', 'orphan'];

/** Ends what still runs of it, and sees to it that nothing of it begins; its place is free when neither is needed. */
async function settleOne(
  { deps, replicaId, log, toEnd }: Settling,
  host: Host,
  { id, wrapper }: Unsettled,
  stopping: AbortSignal,
) {
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(ANSWER_MS)]);
  const machine = machineOf(host, wrapper);
  const report = await machine.status(id, signal);
  const { state } = report;
  if (ALIVE.includes(state) && !toEnd.due(id)) return; // it is being ended there
  log.info({ attempt_id: id, host: host.id, state }, 'asked about an attempt that ended without its host');
  if (state === 'done') await sayLate(deps, replicaId, id, report);
  if (state === 'done' || state === 'rebooted') {
    await machine.keep(id, signal);
    return settle(deps, id, state === 'done' ? report.left : []);
  }
  // Ends what lives, and lets nothing begin: a start that a frozen replica sends after all finds this.
  const after = await machine.cancel(id, deps.settings.execution.killGraceSeconds, signal);
  if (after.state === 'void') await settle(deps, id, []);
  // Of its processes only two are known to be dead.
  if (after.state === 'vanished' && state === 'vanished') {
    await machine.keep(id, signal);
    await settle(deps, id, null);
  }
}

/** What really became of an attempt that was given up is kept beside what was said of it. */
async function sayLate(deps: Deps, replicaId: string, attemptId: string, report: MachineReport): Promise<void> {
  const attempt = await getAttempt(deps, attemptId);
  const task = attempt && (await getTask(deps, attempt.taskId));
  if (!task) return;
  const result = readEnding(report, {
    stopReason: null,
    launchFailure: null,
    processSeen: true,
    unstarted: false,
    forgotten: false,
    timeoutSeconds: task.timeoutSeconds,
    output: null,
  });
  try {
    await createReplicaPlane(deps, replicaId).complete(attemptId, result, AbortSignal.timeout(ANSWER_MS));
  } catch (error) {
    if (!(error instanceof ControlPlaneError && error.kind === 'lease_lost')) throw error;
  }
}
