import { type OldSnapshot, oldestSnapshot } from '../../store/snapshots.ts';
import type { Deps } from '../deps.ts';

export type SnapshotAlarm = { began: OldSnapshot } | { ended: OldSnapshot } | null;
export type SnapshotLook = { seconds: number; alarm: SnapshotAlarm };

/** From then on claims would become slower, because what they leave behind can't be cleaned up. */
const TOO_OLD_SECONDS = 60;

/** Looks at the oldest open transaction; tells once when one has become too old, and once when it is over. */
export function createSnapshotWatch(
  deps: Pick<Deps, 'db'>,
  tooOldSeconds = TOO_OLD_SECONDS,
): () => Promise<SnapshotLook> {
  let told: OldSnapshot | null = null;
  return async () => {
    const oldest = await oldestSnapshot(deps.db);
    const tooOld = oldest !== null && oldest.seconds > tooOldSeconds ? oldest : null;
    const before = told;
    const same = before?.pid === tooOld?.pid && before?.since === tooOld?.since;
    told = tooOld;
    const seconds = oldest?.seconds ?? 0;
    if (same) return { seconds, alarm: null };
    if (tooOld !== null) return { seconds, alarm: { began: tooOld } };
    return { seconds, alarm: before && { ended: before } };
  };
}
