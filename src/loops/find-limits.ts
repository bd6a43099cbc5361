import { type KeptLimits, namesOfKept } from '../executor/kept-limits.ts';
import type { Deps } from '../usecases/deps.ts';
import { noteHostLimits } from '../usecases/hosts/host-state.ts';

type Log = Record<'info' | 'warn', (fields: object, message: string) => void>;
type Limited = { id: string; keptLimits(signal: AbortSignal): Promise<KeptLimits> };

export type LimitFinder = {
  /** Of a host that has just answered, after it did not if `isBack`. Resolves before the host has been tried. */
  consider(host: Limited, isBack: boolean): void;
  /** Gives up what is under way. */
  stop(): Promise<void>;
};

/** Somebody may have made it able to keep more meanwhile. */
const AGAIN_MS = 3_600_000;
/** What refused a limit may have been a disk that was full for a moment, and no task that asks for it is sent meanwhile. */
const AFTER_REFUSAL_MS = 600_000;
const AFTER_FAILURE_MS = 60_000;
const ANSWER_MS = 60_000;

/** Finds out what each host can keep of the limits that tasks ask for, before the first such task comes. */
export function createLimitFinder({ deps, log }: { deps: Deps; log: Log }): LimitFinder {
  const stopping = new AbortController();
  const trying = new Map<string, Promise<void>>();
  const notBefore = new Map<string, number>();

  const tryOut = async (host: Limited) => {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(ANSWER_MS)]);
    const kept = await host.keptLimits(signal);
    const reasons = Object.values(kept).filter((reason) => reason !== null);
    notBefore.set(host.id, performance.now() + (reasons.length > 0 ? AFTER_REFUSAL_MS : AGAIN_MS));
    if (!(await noteHostLimits(deps, host.id, namesOfKept(kept)))) return;
    log.info({ host: host.id, kept: namesOfKept(kept), reasons }, 'which limits a host can keep');
  };

  return {
    consider(host, isBack) {
      const { id } = host;
      if (trying.has(id) || stopping.signal.aborted) return;
      if (!isBack && performance.now() < (notBefore.get(id) ?? 0)) return;
      notBefore.set(id, performance.now() + AFTER_FAILURE_MS);
      const tried = tryOut(host)
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) log.warn({ err: error, host: id }, 'the limits of a host could not be tried');
        })
        .finally(() => trying.delete(id));
      trying.set(id, tried);
    },
    async stop() {
      stopping.abort();
      await Promise.all(trying.values());
    },
  };
}
