import type { Deps } from '../usecases/deps.ts';
import { createSnapshotWatch } from '../usecases/upkeep/watch-snapshots.ts';
import { every, type Loop } from './every.ts';

type Log = Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;

const EVERY_MS = 5_000;
const FRONTS_MS = 1_000;

/**
 * Tells of old transactions, by whomever, that keep the database from cleaning up. As long as there is one, claims are
 * told where in their lanes tasks begin.
 */
export function createSnapshotLoop(
  deps: Deps,
  note: (seconds: number) => void,
  log: Log,
  tooOldSeconds?: number,
): Pick<Loop, 'stop'> {
  const look = createSnapshotWatch(deps, tooOldSeconds);
  let old = false;
  const watching = every({
    name: 'watch over snapshots',
    everyMs: EVERY_MS,
    async turn() {
      const { seconds, alarm } = await look();
      note(seconds);
      if (alarm === null) return;
      old = 'began' in alarm;
      if ('began' in alarm) log.warn(alarm.began, 'an old transaction keeps the database from cleaning up');
      else log.info(alarm.ended, 'the old transaction is over: the database cleans up again');
    },
    log,
  });
  const looking = every({
    name: 'fronts of lanes',
    everyMs: FRONTS_MS,
    turn: async () => (old ? deps.fronts.look() : deps.fronts.forget()),
    log,
  });
  return {
    async stop() {
      await Promise.all([watching.stop(), looking.stop()]);
    },
  };
}
