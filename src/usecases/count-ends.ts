import { countEnds, countedUpTo, lockCountedUpTo, setCountedUpTo } from '../store/statistics.ts';
import type { Deps } from './deps.ts';
import { createFeedLooks } from './settle-feed.ts';

const BATCH = 1_000;

/** Counts the tasks that have ended since the last count into the statistics, at most so many batches of events. */
export async function countNewEnds(deps: Pick<Deps, 'db'>, batches: number, signal?: AbortSignal): Promise<void> {
  const look = createFeedLooks(deps);
  let heldBefore = false;
  for (let batch = 0; batch < batches && !signal?.aborted; batch++) {
    const after = await countedUpTo(deps.db);
    const { events, held } = await look(after, BATCH);
    const upTo = events.at(-1)?.sequence;
    if (upTo !== undefined) await countBatch(deps, after, upTo);
    // What is held once is often free at the next look; what is held longer is counted another time.
    else if (!held || heldBefore) return;
    heldBefore = held && upTo === undefined;
  }
}

/** Another replica may have counted the same meanwhile. */
async function countBatch(deps: Pick<Deps, 'db'>, after: number, upTo: number): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    if ((await lockCountedUpTo(trx)) !== after) return;
    await countEnds(trx, after, upTo);
    await setCountedUpTo(trx, upTo);
  });
}
