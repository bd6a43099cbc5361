import { isDatabaseAway, isFromServer } from '../store/database-errors.ts';

/** What became of one item: its answer, or the error that only it gets. */
export type Settled<O> = { value: O } | { error: unknown };

export type CoalesceOptions<I> = {
  /** Items answered together at most. */
  most: number;
  /** Batches under way at a time. */
  atOnce: number;
  /** Where items may be large: no batch but one of a single item weighs more than `heaviest`. */
  weigh?: (item: I) => number;
  heaviest?: number;
};

/**
 * Requests that come together are answered together: an item waits for the end of this turn of the event loop, and
 * while as many batches as may be are under way; a lone one goes at once. A batch that the database refused was rolled
 * back, so each of its items is then tried alone, and a wrong or slow one hurts nobody else.
 */
export function coalesce<I, O>(
  run: (items: readonly I[]) => Promise<readonly Settled<O>[]>,
  { most, atOnce, weigh = () => 0, heaviest = 0 }: CoalesceOptions<I>,
): (item: I) => Promise<O> {
  type Entry = { item: I; resolve: (value: O) => void; reject: (error: unknown) => void };
  const queue: Entry[] = [];
  let underWay = 0;
  let scheduled = false;

  const answer = async (batch: readonly Entry[]): Promise<void> => {
    try {
      const settled = await run(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, index) => {
        const one = settled[index] ?? { error: new Error('a batch left an item without an answer') };
        if ('value' in one) resolve(one.value);
        else reject(one.error);
      });
    } catch (error) {
      if (batch.length > 1 && mayTryAlone(error)) for (const entry of batch) await answer([entry]);
      else for (const { reject } of batch) reject(error);
    }
  };

  const takeBatch = (): Entry[] => {
    let weight = 0;
    const end = queue.findIndex(({ item }, index) => {
      weight += weigh(item);
      return index >= most || (index > 0 && weight > heaviest);
    });
    return queue.splice(0, end < 0 ? queue.length : end);
  };

  const flush = () => {
    scheduled = false;
    while (queue.length > 0 && underWay < atOnce) {
      underWay += 1;
      void answer(takeBatch()).finally(() => {
        underWay -= 1;
        schedule();
      });
    }
  };
  const schedule = () => {
    if (scheduled || queue.length === 0) return;
    scheduled = true;
    setImmediate(flush);
  };

  return (item) =>
    new Promise<O>((resolve, reject) => {
      queue.push({ item, resolve, reject });
      if (underWay < atOnce) schedule();
    });
}

/** Not after a connection was lost, perhaps with the answer to a commit: that might do everything twice. */
export const mayTryAlone = (error: unknown): boolean => isFromServer(error) || !isDatabaseAway(error);
