import type { Stream } from '../../domain/machine.ts';
import type { Deps } from '../deps.ts';
import { waitForHint } from '../feed/wait-for-hint.ts';
import { type LogProgress, readLogFrom } from './read-log.ts';

/** Who follows looks this often even when no hint comes: a hint may be lost. */
const LOOK_MS = 1_000;
/** At most so many stored pieces at a time, of at most 1 MiB each. */
const MAX_PIECES = 4;

/**
 * What is stored of a stream from an offset on, and what comes to it, until the attempt has ended or the signal fires.
 * Answers at least once a second, with no pieces if nothing came. Nothing is read ahead of who takes it.
 */
export async function* followLog(
  deps: Pick<Deps, 'db' | 'wakeups' | 'followers'>,
  attemptId: string,
  stream: Stream,
  fromOffset: number,
  signal: AbortSignal,
): AsyncGenerator<LogProgress> {
  const unfollow = deps.followers.add(attemptId);
  try {
    for (let at = fromOffset; !signal.aborted; ) {
      const hint = waitForHint(deps.wakeups, (one) => one.kind === 'log' && one.attemptId === attemptId, signal);
      try {
        const progress = await readLogFrom(deps, attemptId, stream, at, MAX_PIECES);
        yield progress;
        if (progress.ended) return;
        const last = progress.pieces.at(-1);
        if (last) at = last.offset + last.bytes.length;
        else await hint.within(LOOK_MS);
      } finally {
        hint.stop();
      }
    }
  } finally {
    unfollow();
  }
}
