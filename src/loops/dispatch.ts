import { adoptAttempts, type Replica, type ReplicaProcess } from '../usecases/adopt-attempts.ts';
import { decideModes } from '../usecases/decide-modes.ts';
import type { Deps } from '../usecases/deps.ts';
import { dispatchToHosts } from '../usecases/dispatch.ts';
import { attemptsHeldBy, loseHopeless, settle, unsettledOn } from '../usecases/host-attempts.ts';
import type { Driver } from './drive-attempts.ts';
import { every, type Loop } from './every.ts';
import type { Host, Hosts } from './hosts.ts';

type Log = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>;

export type DispatchLoopOptions = {
  deps: Deps;
  replica: Replica;
  isGone: (process: ReplicaProcess) => boolean;
  attemptToken: (attemptId: string) => string;
  hosts: Hosts;
  allHosts: readonly Host[];
  driver: Driver;
  log: Log;
};

/** A lost hint costs at most this long; as often phase 2 is gone through, and attempts that nobody drives are found. */
const LOOK_MS = 1_000;
/** However many tasks come, the hosts' rows are locked no more often than this. */
const GAP_MS = 10;

/**
 * Both phases, at once when something changed and at the latest at the next tick; and before them the attempts that
 * another replica let go are adopted, and those that ended without their host's word are asked about.
 */
export function createDispatchLoop(options: DispatchLoopOptions): Loop {
  const { deps, hosts, driver, log } = options;
  let lastUsed: string | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;

  const turn = async () => {
    const hostIds = hosts.reachable().map(({ id }) => id);
    const look = performance.now() - lookedAt >= LOOK_MS;
    if (look) {
      lookedAt = performance.now();
      await resume(options, hostIds);
    }
    const { attemptToken, replica } = options;
    const { began, dispatched } = await dispatchToHosts(deps, {
      replicaId: replica.id,
      hostIds,
      lastUsed,
      attemptToken,
    });
    for (const { attemptId, hostId } of dispatched) {
      lastUsed = hostId;
      driver.drive(attemptId);
    }
    if (look) await decideModes(deps, began);
  };

  const everyMs = Math.min(LOOK_MS, deps.settings.dispatch.tickSeconds * 1000);
  const loop = every({ name: 'dispatch', everyMs, gapMs: GAP_MS, turn, log });
  const unsubscribe = deps.wakeups.subscribe((hint) => {
    if (hint.kind === 'agents') lookedAt = Number.NEGATIVE_INFINITY;
    if (hint.kind === 'ready' || hint.kind === 'agents') loop.nudge();
  });
  return {
    nudge: loop.nudge,
    async stop() {
      unsubscribe();
      await loop.stop();
    },
  };
}

/** Brings this replica's attempts back under way: adopted ones, and those that it holds without driving them. */
async function resume(options: DispatchLoopOptions, hostIds: readonly string[]): Promise<void> {
  const { deps, replica, hosts, allHosts, driver, log } = options;
  const adopted = await adoptAttempts(deps, replica, hostIds, options.isGone);
  for (const attemptId of [...adopted, ...(await attemptsHeldBy(deps, replica.id))]) driver.drive(attemptId);
  for (const host of hosts.reachable()) await settleAll(deps, host, log);
  await loseHopeless(
    deps,
    allHosts.map(({ id, lostAfterSeconds }) => ({ hostId: id, seconds: lostAfterSeconds })),
  );
}

/** Asks a host about attempts that ended without its word, and ends what still runs of them. */
async function settleAll(deps: Deps, host: Host, log: Log): Promise<void> {
  const signal = AbortSignal.timeout(30_000);
  for (const attemptId of await unsettledOn(deps, host.id)) {
    const { state } = await host.machine.status(attemptId, signal);
    log.info({ attempt_id: attemptId, host: host.id, state }, 'asked about an attempt that ended without its host');
    if (state === 'running' || state === 'starting' || state === 'orphan') {
      await host.machine.cancel(attemptId, deps.settings.execution.killGraceSeconds, signal);
    } else if (state === 'unstarted') {
      await host.machine.fence(attemptId, signal);
    } else {
      await settle(deps, attemptId);
    }
  }
}
