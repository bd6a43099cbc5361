import type { Transaction } from 'kysely';
import { type Act, auditText } from '../domain/audit.ts';
import { eventHash } from '../domain/event.ts';
import { auditHead, insertAct, lockAudit } from '../store/audit.ts';
import type { Database } from '../store/schema.ts';
import type { Deps } from './deps.ts';

/**
 * Writes an act that belongs to no task down, in the transaction of what was done: both happen, or neither. To be called
 * last there, since whoever writes the next one waits for its end.
 */
export async function recordAct(trx: Transaction<Database>, act: Act): Promise<void> {
  await lockAudit(trx);
  const head = await auditHead(trx);
  const event = { ...act, day: head.day, n: head.n + 1, at: head.at };
  const text = auditText(event);
  await insertAct(trx, { day: event.day, n: event.n, text, hash: eventHash(head.hash, text) });
}

/** The same for what happened outside of the database. */
export const noteAct = (deps: Pick<Deps, 'db'>, act: Act): Promise<void> =>
  deps.db.transaction().execute((trx) => recordAct(trx, act));
