import type { MachineReport } from '../domain/machine.ts';
import { readEnding } from '../executor/attempt/read-ending.ts';
import { ControlPlaneError } from '../executor/control-plane.ts';
import type { Deps } from '../usecases/deps.ts';
import { settle, unsettledOn } from '../usecases/host-attempts.ts';
import { getAttempt, getTask } from '../usecases/read-tasks.ts';
import type { Host } from './hosts.ts';
import { createReplicaPlane } from './replica-plane.ts';

type Log = Record<'info' | 'warn', (fields: object, message: string) => void>;

export type Settler = {
  /**
   * Begins to ask these hosts about attempts that ended without their word. Resolves before they have answered: one
   * that is slow must not keep the others waiting.
   */
  ask(hosts: readonly Host[]): Promise<void>;
  /** Nothing is started on a host while it is asked. */
  isAsking(hostId: string): boolean;
  /** Gives up what is under way. */
  stop(): Promise<void>;
};

/** Of one attempt on one host. */
const ANSWER_MS = 10_000;

export function createSettler(deps: Deps, replicaId: string, log: Log): Settler {
  const stopping = new AbortController();
  const asking = new Map<string, Promise<void>>();
  const failing = new Set<string>();

  const settleAll = async (host: Host, attemptIds: readonly string[]) => {
    try {
      for (const attemptId of attemptIds) await settleOne({ deps, replicaId, log }, host, attemptId, stopping.signal);
      failing.delete(host.id);
    } catch (error) {
      if (!failing.has(host.id) && !stopping.signal.aborted) {
        log.warn({ err: error, host: host.id }, 'a host could not be asked about attempts that ended, trying again');
      }
      failing.add(host.id);
    } finally {
      asking.delete(host.id);
    }
  };

  return {
    async ask(hosts) {
      for (const host of hosts) {
        if (asking.has(host.id) || stopping.signal.aborted) continue;
        const attemptIds = await unsettledOn(deps, host.id);
        if (attemptIds.length > 0) asking.set(host.id, settleAll(host, attemptIds));
      }
    },
    isAsking: (hostId) => asking.has(hostId),
    async stop() {
      stopping.abort();
      await Promise.all(asking.values());
    },
  };
}

type Settling = { deps: Deps; replicaId: string; log: Log };

/** Ends what still runs of it, and sees to it that nothing of it begins; its place is free when neither is needed. */
async function settleOne({ deps, replicaId, log }: Settling, host: Host, attemptId: string, stopping: AbortSignal) {
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(ANSWER_MS)]);
  const report = await host.machine.status(attemptId, signal);
  const { state } = report;
  log.info({ attempt_id: attemptId, host: host.id, state }, 'asked about an attempt that ended without its host');
  if (state === 'running' || state === 'starting' || state === 'orphan') {
    await host.machine.cancel(attemptId, deps.settings.execution.killGraceSeconds, signal);
  } else if (state === 'unstarted' || state === 'none') {
    // A start that a frozen replica sends after all finds this.
    await host.machine.fence(attemptId, signal);
  } else {
    if (state === 'done') await sayLate(deps, replicaId, attemptId, report);
    await settle(deps, attemptId, report.left ?? []);
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
    timeoutSeconds: task.timeoutSeconds,
    output: null,
  });
  try {
    await createReplicaPlane(deps, replicaId).complete(attemptId, result, AbortSignal.timeout(ANSWER_MS));
  } catch (error) {
    if (!(error instanceof ControlPlaneError && error.kind === 'lease_lost')) throw error;
  }
}
