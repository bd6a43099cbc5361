import { isFinal } from '../../domain/task.ts';
import { lockBestWaiter, openGates, passOnKey } from '../../store/gates.ts';
import { type HeldKey, walkFreeKeys, walkHeldKeys } from '../../store/stray-keys.ts';
import { lockTask } from '../../store/task-changes.ts';
import type { Deps } from '../deps.ts';

/** So many keys are looked at each time, of those waited for and of those held. */
const LOOK = 500;

/** Up to where the keys were looked at; empty: from the first one on. */
export type KeyCursor = { waitedFor: string; held: string };
export const FROM_THE_FIRST: KeyCursor = { waitedFor: '', held: '' };

/**
 * Gives keys to waiters that no hand-over reached: one that was being changed when its key became free, and one whose
 * key's holder is gone without a trace. Looks at some keys, until the signal fires, and answers where to go on.
 */
export async function giveStrayKeys(
  deps: Pick<Deps, 'db' | 'wakeups'>,
  from: KeyCursor,
  signal?: AbortSignal,
): Promise<{ given: number; next: KeyCursor }> {
  const held = await walkHeldKeys(deps.db, from.held, LOOK);
  const free = await walkFreeKeys(deps.db, from.waitedFor, LOOK);
  let given = 0;
  for (const key of held.stray) if (!signal?.aborted && (await takeFromEnded(deps, key))) given++;
  for (const key of free.stray) if (!signal?.aborted && (await giveFree(deps, key))) given++;
  if (given > 0) deps.wakeups.emit({ kind: 'ready' });
  return { given, next: { waitedFor: free.last ?? '', held: held.last ?? '' } };
}

/** The holder's row is locked, so that it is not retried meanwhile; one that is gone never comes back. */
const takeFromEnded = ({ db }: Pick<Deps, 'db'>, { key, taskId }: HeldKey): Promise<boolean> =>
  db.transaction().execute(async (trx) => {
    const holder = await lockTask(trx, taskId);
    if (holder !== null && !isFinal(holder.status)) return false;
    await passOnKey(trx, key, taskId);
    return true;
  });

const giveFree = ({ db }: Pick<Deps, 'db'>, key: string): Promise<boolean> =>
  db.transaction().execute(async (trx) => {
    const waiter = await lockBestWaiter(trx, key);
    return waiter !== null && (await openGates(trx, [waiter])).length > 0;
  });
