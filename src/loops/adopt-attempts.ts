import type { Deps } from '../usecases/deps.ts';
import { adoptAttempt, type FreeAttempt, findFreeAttempts, type Replica } from '../usecases/hosts/adopt-attempts.ts';
import type { Driver } from './drive-attempts.ts';
import type { Host } from './hosts.ts';
import type { IsGone } from './replica-process.ts';

type Log = Record<'info' | 'warn', (fields: object, message: string) => void>;
export type AdopterOptions = { deps: Deps; replica: Replica; isGone: IsGone; driver: Driver; log: Log };

export type Adopter = {
  /** Looks for attempts on these hosts that nobody drives. Resolves before the hosts have answered about them. */
  look(hosts: readonly Host[]): Promise<void>;
  /** Gives up what is under way. */
  stop(): Promise<void>;
};

/** For the answer about one attempt. */
const ANSWER_MS = 10_000;

/**
 * Adopts what nobody drives as soon as its host answers about it: the lease is contact, so an answer to a probe is not
 * enough. Of each host one attempt is asked about first, so that one that doesn't answer isn't asked about a hundred.
 */
export function createAdopter({ deps, replica, isGone, driver, log }: AdopterOptions): Adopter {
  const stopping = new AbortController();
  const asking = new Map<string, Promise<void>>();
  const failing = new Set<string>();

  const adopt = async (host: Host, free: FreeAttempt) => {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(ANSWER_MS)]);
    await host.machine.status(free.attemptId, signal);
    if (await adoptAttempt(deps, replica.id, free)) driver.drive(free.attemptId);
  };

  const adoptAll = async (host: Host, [first, ...others]: readonly FreeAttempt[]) => {
    try {
      if (first) await adopt(host, first);
      // All have an end before it is looked again, or stopped: none is adopted after that.
      const ends = await Promise.allSettled(others.map((free) => adopt(host, free)));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
      if (failing.delete(host.id)) log.info({ host: host.id }, 'a host answers about its attempts again');
    } catch (error) {
      if (!failing.has(host.id) && !stopping.signal.aborted) {
        log.warn(
          { err: error, host: host.id },
          'a host does not answer about attempts that nobody drives, trying again',
        );
      }
      failing.add(host.id);
    } finally {
      asking.delete(host.id);
    }
  };

  return {
    async look(hosts) {
      const idle = hosts.filter(({ id }) => !asking.has(id));
      const free = await findFreeAttempts(
        deps,
        replica,
        idle.map(({ id }) => id),
        isGone,
      );
      if (stopping.signal.aborted) return;
      for (const [hostId, attempts] of Map.groupBy(free, (one) => one.hostId)) {
        const host = idle.find(({ id }) => id === hostId);
        if (host) asking.set(hostId, adoptAll(host, attempts));
      }
    },
    async stop() {
      stopping.abort();
      await Promise.all(asking.values());
    },
  };
}
