import type { Deps } from '../usecases/deps.ts';
import type { Replica } from '../usecases/hosts/adopt-attempts.ts';
import { decideModes } from '../usecases/hosts/decide-modes.ts';
import { dispatchToHosts } from '../usecases/hosts/dispatch.ts';
import { attemptsHeldBy, loseHopeless } from '../usecases/hosts/host-attempts.ts';
import { type Adopter, createAdopter } from './adopt-attempts.ts';
import type { Driver } from './drive-attempts.ts';
import { every, type Loop } from './every.ts';
import type { Host, Hosts } from './hosts.ts';
import type { IsGone } from './replica-process.ts';
import { createSettler, type Settler } from './settle-attempts.ts';

type Log = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>;

export type DispatchLoopOptions = {
  deps: Deps;
  replica: Replica;
  isGone: IsGone;
  attemptToken: (attemptId: string) => string;
  hosts: Hosts;
  allHosts: readonly Host[];
  driver: Driver;
  /** How long a pass took. */
  passed: (seconds: number) => void;
  log: Log;
};

/** A lost hint costs at most this long; as often phase 2 is gone through, and attempts that nobody drives are found. */
const LOOK_MS = 1_000;
/** However many tasks come, the hosts' rows are locked no more often than this. */
const GAP_MS = 10;

/**
 * Both phases, at once when something changed and at the latest at the next tick; and before them the attempts that
 * another replica let go are asked about and adopted, and those that ended without their host's word are settled.
 */
export function createDispatchLoop(options: DispatchLoopOptions): Loop {
  const { deps, hosts, driver, log } = options;
  let lastUsed: string | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  const settler = createSettler(deps, options.replica.id, log);
  const adopter = createAdopter(options);

  const turn = async (signal: AbortSignal) => {
    const reachable = hosts.reachable();
    const look = performance.now() - lookedAt >= LOOK_MS;
    if (look) {
      lookedAt = performance.now();
      await resume(options, reachable, { settler, adopter }, signal);
      if (signal.aborted) return;
    }
    const hostIds = reachable.map(({ id }) => id);
    if (hostIds.length === 0 && !look) return;
    const { attemptToken, replica, passed } = options;
    const beganMs = performance.now();
    const { began, dispatched } = await dispatchToHosts(deps, {
      replicaId: replica.id,
      hostIds,
      lastUsed,
      timed: look,
      attemptToken,
    });
    for (const { attemptId, hostId, toDrive } of dispatched) {
      lastUsed = hostId;
      driver.drive(attemptId, { ...toDrive, knownMs: beganMs });
    }
    if (began !== null && !signal.aborted) await decideModes(deps, began);
    passed((performance.now() - beganMs) / 1000);
  };

  const everyMs = Math.min(LOOK_MS, deps.settings.dispatch.tickSeconds * 1000);
  const loop = every({ name: 'dispatch', everyMs, gapMs: GAP_MS, turn, log });
  const lookAgain = () => {
    lookedAt = Number.NEGATIVE_INFINITY;
    loop.nudge();
  };
  const unsubscribe = deps.wakeups.subscribe((hint) => {
    if (hint.kind === 'agents') lookAgain();
    if (hint.kind === 'ready') loop.nudge();
  });
  return {
    nudge: lookAgain,
    async stop() {
      unsubscribe();
      await Promise.all([loop.stop(), settler.stop(), adopter.stop()]);
    },
  };
}

type Askers = { settler: Settler; adopter: Adopter };

/** Brings attempts back under way: those that nobody drives, and those that this replica holds without driving them. */
async function resume(
  { deps, replica, allHosts, driver }: DispatchLoopOptions,
  reachable: readonly Host[],
  { settler, adopter }: Askers,
  signal: AbortSignal,
): Promise<void> {
  await adopter.look(reachable);
  if (signal.aborted) return;
  for (const attemptId of await attemptsHeldBy(deps, replica.id)) driver.drive(attemptId);
  await settler.ask(reachable);
  if (signal.aborted) return;
  await loseHopeless(
    deps,
    allHosts.map(({ id, lostAfterSeconds }) => ({ hostId: id, seconds: lostAfterSeconds })),
    signal,
  );
}
