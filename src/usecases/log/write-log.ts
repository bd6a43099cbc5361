import { LOG_HEAD_BYTES, LOG_TAIL_BYTES } from '../../domain/attempt.ts';
import { AppError } from '../../domain/errors.ts';
import type { Holder } from '../../domain/holder.ts';
import type { Stream } from '../../domain/machine.ts';
import { hideInStream } from '../../domain/redact.ts';
import { valuesOf } from '../../domain/secrets.ts';
import { appendLog, lockStream, markLogged, trimLog } from '../../store/logs.ts';
import { inOrder, transact } from '../../store/transact.ts';
import { lockHeld } from '../attempt/holding.ts';
import type { Deps } from '../deps.ts';

export type LogWrite = {
  offset: number;
  bytes: Uint8Array;
  /** The bytes between what is stored and `offset` were left out by the sender. */
  gap: boolean;
  /** Nothing follows: the last bytes of it can begin no secret any more. */
  end?: boolean;
};

/**
 * Stores a piece of what an attempt printed. Repeats and overlaps are harmless; a piece that begins beyond the next
 * offset expected is refused with `offset_gap`, unless its sender says that it left bytes out. The secrets of the task are
 * hidden before anything is stored; bytes that may begin one are taken only with what follows them.
 */
export async function writeLog(
  deps: Deps,
  holder: Holder,
  attemptId: string,
  stream: Stream,
  { offset, bytes, gap, end: isLast = false }: LogWrite,
): Promise<{ nextOffset: number; followed: boolean }> {
  const nextOffset = await transact(deps.hot, async (trx, oneMore) => {
    const [{ task }, state] = await inOrder(lockHeld(trx, holder, attemptId), lockStream(trx, attemptId, stream));
    const expected = state.totalBytes;
    if (offset > expected && !gap) {
      throw new AppError('offset_gap', `The next byte expected is ${expected}.`, { extra: { next_offset: expected } });
    }
    const begin = Math.max(offset, expected);
    const given = bytes.subarray(Math.min(begin - offset, bytes.length));
    const secrets = valuesOf(deps.secrets, task.environment);
    const fresh = hideInStream(given, secrets, { end: isLast, afterGap: begin > expected });
    const end = begin + fresh.length;
    if (end === expected || (given.length > 0 && fresh.length === 0)) return expected;
    const leftOutBytes = state.leftOutBytes + (begin - expected);
    const before = [
      ...(task.has_log ? [] : [markLogged(trx, task.id)]),
      ...(end > LOG_HEAD_BYTES + LOG_TAIL_BYTES ? [trimLog(trx, attemptId, stream, end)] : []),
    ];
    oneMore();
    await inOrder(...before, appendLog(trx, attemptId, stream, begin, fresh, { totalBytes: end, leftOutBytes }));
    return end;
  });
  deps.wakeups.emit({ kind: 'log', attemptId });
  return { nextOffset, followed: deps.followers.has(attemptId) };
}
