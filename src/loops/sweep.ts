import type { Deps } from '../usecases/deps.ts';
import { FROM_THE_FIRST, giveStrayKeys } from '../usecases/upkeep/give-stray-keys.ts';
import { sweep } from '../usecases/upkeep/sweep.ts';
import { every, type Loop } from './every.ts';

type Log = Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;

/** Ends leases that lapsed and makes ready what is due; at least once a second, so that no task is due much later. */
export function createSweepLoop(deps: Deps, metrics: { swept(lost: number): void }, log: Log): Loop {
  let keys = FROM_THE_FIRST;
  return every({
    name: 'sweep',
    everyMs: Math.min(deps.settings.leases.sweepSeconds * 1000, 1_000),
    async turn(signal) {
      const { outage, lost } = await sweep(deps, signal);
      metrics.swept(lost);
      if (outage) log.info({}, 'nobody swept for a while: all leases of agents that pull begin anew');
      if (signal.aborted) return;
      const { given, next } = await giveStrayKeys(deps, keys, signal);
      keys = next;
      if (given > 0) log.info({ given }, 'keys that nobody used were given to tasks that waited for them');
      if (lost > 0) log.warn({ lost }, 'attempts were lost: their agents were not heard of');
    },
    log,
  });
}
