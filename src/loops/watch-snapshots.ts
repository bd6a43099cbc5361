import type { Deps } from '../usecases/deps.ts';
import { createSnapshotWatch } from '../usecases/upkeep/watch-snapshots.ts';
import { every, type Loop } from './every.ts';

type Log = Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;

const EVERY_MS = 5_000;

/** Tells of old transactions, by whomever, that keep the database from cleaning up. */
export function createSnapshotLoop(deps: Deps, note: (seconds: number) => void, log: Log): Loop {
  const look = createSnapshotWatch(deps);
  return every({
    name: 'watch over snapshots',
    everyMs: EVERY_MS,
    async turn() {
      const { seconds, alarm } = await look();
      note(seconds);
      if (alarm === null) return;
      if ('began' in alarm) log.warn(alarm.began, 'an old transaction keeps the database from cleaning up');
      else log.info(alarm.ended, 'the old transaction is over: the database cleans up again');
    },
    log,
  });
}
