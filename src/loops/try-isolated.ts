import { letAgentBack } from '../usecases/attempt/judge-agent.ts';
import type { Deps } from '../usecases/deps.ts';
import { isIsolated, noteStillIsolated } from '../usecases/hosts/host-state.ts';

type Log = Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;
type Triable = { id: string; tryOut(signal: AbortSignal): Promise<string | null> };
export type TrierOptions = { deps: Deps; pauseMs: number; onBack: () => void; log: Log };

export type Trier = {
  /** Of a host that has just answered. Resolves before what may be tried there has ended. */
  consider(host: Triable): Promise<void>;
  /** Gives up what is under way. */
  stop(): Promise<void>;
};

/**
 * An isolated host answers probes as well as any other, so a command of our own is run there, beside the probes: if it
 * goes from its start to its end as it should, the host is let back. Two replicas that try at once do no harm.
 */
export function createTrier({ deps, pauseMs, onBack, log }: TrierOptions): Trier {
  const stopping = new AbortController();
  const trying = new Map<string, Promise<void>>();
  const notBefore = new Map<string, number>();

  const tryOut = async (host: Triable) => {
    const wrong = await host.tryOut(stopping.signal);
    if (wrong !== null) {
      log.warn({ host: host.id, cause: wrong }, 'a command that was tried on an isolated host failed');
      return noteStillIsolated(deps, host.id, wrong);
    }
    if (!(await letAgentBack(deps, host.id))) return;
    log.info({ host: host.id }, 'an isolated host is let back');
    onBack();
  };

  return {
    async consider(host) {
      const { id } = host;
      if (trying.has(id) || performance.now() < (notBefore.get(id) ?? 0)) return;
      if (!(await isIsolated(deps, id)) || stopping.signal.aborted) return;
      const tried = tryOut(host)
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) log.error({ err: error, host: id }, 'an isolated host could not be tried');
        })
        .finally(() => {
          trying.delete(id);
          notBefore.set(id, performance.now() + pauseMs);
        });
      trying.set(id, tried);
    },
    async stop() {
      stopping.abort();
      await Promise.all(trying.values());
    },
  };
}
