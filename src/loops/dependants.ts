import type { Deps } from '../usecases/deps.ts';
import { tellDependants } from '../usecases/upkeep/tell-dependants.ts';
import { every, type Loop } from './every.ts';

type Log = Record<'info' | 'error', (fields: object, message: string) => void>;

/** However many tasks end, it is looked no more often than this. */
const GAP_MS = 10;

/** Tells dependants what ended: at once when the hint says so, and once a second what nobody has told. */
export function createDependantsLoop(deps: Deps, log: Log): Loop {
  const loop = every({
    name: 'dependants',
    everyMs: 1_000,
    gapMs: GAP_MS,
    async turn(signal) {
      while (!signal.aborted && (await tellDependants(deps, signal)) > 0);
    },
    log,
  });
  const unsubscribe = deps.wakeups.subscribe(({ kind }) => {
    if (kind === 'ended') loop.nudge();
  });
  return {
    nudge: loop.nudge,
    async stop() {
      unsubscribe();
      await loop.stop();
    },
  };
}
