import { sql, type Transaction } from 'kysely';
import type { Result } from '../domain/attempt.ts';
import { affectedRows } from './answers.ts';
import type { Database } from './schema.ts';

const KEPT = 3;
const MAX_BYTES = 64 * 1024;

/**
 * Keeps what was said of an attempt after it had ended: the first three, without output where it is too large. Answers
 * whether it was new. The caller holds the task's row.
 */
export async function keepLateResult(
  trx: Transaction<Database>,
  attemptId: string,
  result: Result,
  hash: string,
): Promise<boolean> {
  const whole = JSON.stringify({ ...result, hash });
  const stored = Buffer.byteLength(whole) <= MAX_BYTES ? whole : JSON.stringify({ outcome: result.outcome, hash });
  const kept = await sql`
    update attempts set late_results = late_results || ${stored}::jsonb
    where id = ${attemptId} and finished_at is not null and jsonb_array_length(late_results) < ${KEPT}
      and not late_results @> jsonb_build_array(jsonb_build_object('hash', ${hash}::text))`.execute(trx);
  return affectedRows(kept) === 1;
}
