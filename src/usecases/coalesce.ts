import { isDatabaseAway, isFromServer } from '../store/database-errors.ts';
import { createTurns } from './turns.ts';

/** What became of one item: its answer, which may come later than those of the others, or the error that only it gets. */
export type Settled<O> = { value: O | Promise<O> } | { error: unknown };

export type CoalesceOptions<I> = {
  /** Items answered together at most. */
  most: number;
  /** Where items may be large: no batch but one of a single item weighs more than `heaviest`. */
  weigh?: (item: I) => number;
  heaviest?: number;
};

/**
 * Requests that come together are answered together, a lone one at once. A batch that the database refused was rolled
 * back, so each of its items is then tried alone, and a wrong or slow one hurts nobody else.
 */
export function coalesce<I, O>(
  run: (items: readonly I[]) => Promise<readonly Settled<O>[]>,
  { most, weigh = () => 0, heaviest = 0 }: CoalesceOptions<I>,
): (item: I) => Promise<O> {
  type Entry = { item: I; resolve: (value: O | Promise<O>) => void; reject: (error: unknown) => void };
  const queue: Entry[] = [];

  const answer = async (batch: readonly Entry[]): Promise<void> => {
    try {
      const settled = await run(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, index) => {
        const one = settled[index] ?? { error: new Error('a batch left an item without an answer') };
        if ('value' in one) resolve(one.value);
        else reject(one.error);
      });
    } catch (error) {
      if (batch.length > 1 && mayTryAlone(error)) await Promise.all(batch.map((entry) => answer([entry])));
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

  const turns = createTurns({ waiting: () => queue.length, most, turn: () => answer(takeBatch()) });
  return (item) =>
    new Promise<O>((resolve, reject) => {
      queue.push({ item, resolve, reject });
      turns.ask();
    });
}

/** Not after a connection was lost, perhaps with the answer to a commit: that might do everything twice. */
export const mayTryAlone = (error: unknown): boolean => isFromServer(error) || !isDatabaseAway(error);
