import type { Deps } from '../usecases/deps.ts';
import { prune } from '../usecases/upkeep/prune.ts';
import { every, type Loop } from './every.ts';

type Log = Record<'info' | 'error', (fields: object, message: string) => void>;

const EVERY_MS = 5 * 60_000;

/** Deletes what is older than it must be kept. Several replicas may do so at once: each leaves alone what another has. */
export function createPruneLoop(deps: Deps, log: Log): Loop {
  return every({
    name: 'pruning',
    everyMs: EVERY_MS,
    async turn(signal) {
      const pruned = await prune(deps, signal);
      const some = Object.values(pruned).some((count) => count > 0);
      if (some) log.info(pruned, 'deleted what was older than it must be kept');
    },
    log,
  });
}
