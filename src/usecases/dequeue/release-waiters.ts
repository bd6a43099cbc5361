import type { Transaction } from 'kysely';
import { announceFinished } from '../../store/dependencies.ts';
import { passOnKey } from '../../store/gates.ts';
import type { Database, TaskRow } from '../../store/schema.ts';

type Ended = Pick<TaskRow, 'id' | 'has_dependants' | 'concurrency_key'>;

/** Whoever makes tasks final lets go, in the same transaction, of what others wait for. */
export async function releaseWaiters(trx: Transaction<Database>, ended: readonly Ended[]): Promise<void> {
  await announceFinished(
    trx,
    ended.filter((task) => task.has_dependants).map(({ id }) => id),
  );
  const keyed = ended.flatMap(({ id, concurrency_key: key }) => (key === null ? [] : [{ id, key }]));
  for (const { id, key } of keyed.toSorted((a, b) => (a.key < b.key ? -1 : 1))) await passOnKey(trx, key, id);
}
