import { randomUUIDv7 } from 'node:crypto';
import type { HostDefinition } from '../domain/agent.ts';
import { derivedAttemptToken } from '../domain/token.ts';
import type { Deps } from '../usecases/deps.ts';
import { syncHosts } from '../usecases/hosts/sync-hosts.ts';
import { keepReplica, leaveAsReplica } from '../usecases/upkeep/keep-replica.ts';
import { createCountLoop } from './count-ends.ts';
import { createDependantsLoop } from './dependants.ts';
import { createDispatchLoop } from './dispatch.ts';
import { createDriver } from './drive-attempts.ts';
import { every } from './every.ts';
import { createHosts, type Host } from './hosts.ts';
import { createPreemptLoop } from './preempt.ts';
import { createPruneLoop } from './prune.ts';
import { isGone, ownProcess } from './replica-process.ts';
import { createSweepLoop } from './sweep.ts';
import { createTidyHostsLoop } from './tidy-hosts.ts';
import { createSnapshotLoop } from './watch-snapshots.ts';

type Log = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>;

/** What loops tell of themselves; durations and ages in seconds. */
export type LoopMetrics = {
  passed(seconds: number): void;
  swept(lost: number): void;
  snapshot(seconds: number): void;
};

export type LoopsOptions = {
  deps: Deps;
  installation: { id: string; secret: Uint8Array };
  hosts: readonly Host[];
  /** What the configuration file says of them, if that isn't in the database yet. */
  file?: readonly HostDefinition[];
  probeSeconds: number;
  /** Where commands reach this server; asked when one is started. */
  publicUrl: () => string;
  metrics: LoopMetrics;
  log: Log;
};

/** As often a replica says that it is there; without it for a minute, its file has no say any more. */
const KEEP_MS = 10_000;

/** Everything that happens unasked, on this replica. What rejects has changed nothing. */
export async function startLoops(options: LoopsOptions): Promise<{ stop(): Promise<void> }> {
  const { deps, installation, metrics, log } = options;
  const replica = { id: randomUUIDv7(), ...ownProcess() };
  const hostIds = options.hosts.map(({ id }) => id);
  await (options.file ? syncHosts(deps, options.file, replica) : keepReplica(deps, replica, hostIds));
  const keeping = every({ name: 'replica', everyMs: KEEP_MS, turn: () => keepReplica(deps, replica, hostIds), log });
  const sweeping = createSweepLoop(deps, metrics, log);
  const preempting = createPreemptLoop(deps, log);
  const watching = createSnapshotLoop(deps, metrics.snapshot, log);
  const counting = createCountLoop(deps, log);
  const pruning = createPruneLoop(deps, log);
  const telling = createDependantsLoop(deps, log);
  const hosts = createHosts({ ...options, replicaId: replica.id, onChange: () => dispatching.nudge() });
  const cleaning = createTidyHostsLoop(deps, hosts, log);
  const driver = createDriver({ ...options, replicaId: replica.id, hosts });
  const dispatching = createDispatchLoop({
    deps,
    replica,
    isGone,
    attemptToken: (attemptId) => derivedAttemptToken(installation.secret, attemptId),
    hosts,
    allHosts: options.hosts,
    driver,
    passed: metrics.passed,
    log,
  });
  return {
    async stop() {
      await Promise.all([
        dispatching.stop(),
        sweeping.stop(),
        preempting.stop(),
        telling.stop(),
        pruning.stop(),
        counting.stop(),
        watching.stop(),
        cleaning.stop(),
        keeping.stop(),
        driver.stop(),
      ]);
      await leaveAsReplica(deps, replica.id).catch((error: unknown) => {
        log.warn(
          { err: error },
          'what this replica drove could not be let go of: others adopt it when its leases lapse',
        );
      });
      await hosts.stop();
    },
  };
}
