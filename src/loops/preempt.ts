import type { Deps } from '../usecases/deps.ts';
import { preempt } from '../usecases/upkeep/preempt.ts';
import { every, type Loop } from './every.ts';

type Log = Record<'info' | 'error', (fields: object, message: string) => void>;

/** A place that a lost hint told of is looked for after so long; and as often it is seen what has run for long enough. */
const LOOK_MS = 1_000;
/** Most tasks find a place within this, and whoever looks for one comes first. */
const SOON_MS = 100;
/** However many tasks come, what runs is looked through no more often than this. */
const GAP_MS = 500;

/** Makes room for tasks that are much more urgent than what runs, once they can't have a place otherwise. */
export function createPreemptLoop(deps: Deps, log: Log): Loop {
  const loop = every({
    name: 'preemption',
    everyMs: LOOK_MS,
    gapMs: GAP_MS,
    async turn(signal) {
      const asked = await preempt(deps, signal);
      if (asked > 0) log.info({ asked }, 'tasks were asked to make room for more urgent ones');
    },
    log,
  });
  let soon: NodeJS.Timeout | null = null;
  const unsubscribe = deps.wakeups.subscribe(({ kind }) => {
    if (kind !== 'ready') return;
    soon ??= setTimeout(() => {
      soon = null;
      loop.nudge();
    }, SOON_MS);
  });
  return {
    nudge: loop.nudge,
    async stop() {
      unsubscribe();
      clearTimeout(soon ?? undefined);
      await loop.stop();
    },
  };
}
