import { lockAgeing, rerankNext, setAgeing } from '../../store/ranks.ts';
import type { Deps } from '../deps.ts';

const BATCH = 1_000;

/** What an ageing replaced, and how many tasks got their place by it. */
export type AgeingChange = { before: number | null; after: number; reranked: number };

/**
 * Makes the configured ageing the one of the database, for all replicas: the one that starts last decides. If it is
 * another one, the ranks of all pending tasks are computed anew in steps; a start after a crash, or after a stop by
 * the signal, goes on where that ended. Answers null if there was nothing to do.
 */
export async function keepAgeing(
  deps: Pick<Deps, 'db' | 'settings'>,
  signal: AbortSignal,
): Promise<AgeingChange | null> {
  const after = deps.settings.dispatch.ageingSecondsPerLevel;
  const before = await deps.db.transaction().execute(async (trx) => {
    const { secondsPerLevel } = await lockAgeing(trx);
    if (secondsPerLevel !== after) await setAgeing(trx, after);
    return secondsPerLevel;
  });
  let reranked = 0;
  for (;;) {
    signal.throwIfAborted();
    const looked = await rerankStep(deps);
    if (looked === null) return before === after && reranked === 0 ? null : { before, after, reranked };
    reranked += looked;
  }
}

/** Null when every pending task has its rank. */
const rerankStep = ({ db }: Pick<Deps, 'db'>): Promise<number | null> =>
  db.transaction().execute(async (trx) => {
    const { rerankedUpTo } = await lockAgeing(trx);
    return rerankedUpTo === null ? null : rerankNext(trx, rerankedUpTo, BATCH);
  });
