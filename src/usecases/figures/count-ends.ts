import { setTimeout as delay } from 'node:timers/promises';
import { lastSequences, readSequences } from '../../store/event-feed.ts';
import { countEnds, countedUpTo, lockCountedUpTo, setCountedUpTo } from '../../store/statistics.ts';
import type { Deps } from '../deps.ts';
import { createFeedLooks } from '../feed/settle-feed.ts';

const BATCH = 1_000;
/** Of what was there when it was asked, what others write at the same moment is waited for, but not what takes long. */
const LOOKS = 25;
const BETWEEN_LOOKS_MS = 20;
const BATCHES = 10;

/** Counts what has ended by now, but for what would take long: that is left to the loop. */
export async function catchUpCounting(deps: Pick<Deps, 'db'>): Promise<void> {
  const [newest = 0] = await lastSequences(deps.db, 1);
  for (let looks = 1; looks <= LOOKS; looks++) {
    await countNewEnds(deps, BATCHES);
    if ((await countedUpTo(deps.db)) >= newest) return;
    await delay(BETWEEN_LOOKS_MS);
  }
}

/** Counts the tasks that have ended since the last count into the statistics, at most so many batches of events. */
export async function countNewEnds(deps: Pick<Deps, 'db'>, batches: number, signal?: AbortSignal): Promise<void> {
  const look = createFeedLooks(deps, readSequences);
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
