import { STREAMS, type Stream } from '../../domain/machine.ts';
import { type LogArrival, type LogPart, logArrivals } from '../../store/logs.ts';
import type { Deps } from '../deps.ts';
import { readLog } from './read-log.ts';

/** Bytes of one stream at their offset in what the command wrote to it. */
export type LogRun = LogPart & { stream: Stream };
export type LogInOrder = {
  /** What is kept, in the order in which it came. Of each stream the offsets go up. */
  runs: LogRun[];
  /** Where each stream ends so far. */
  totalBytes: Record<Stream, number>;
  leftOutBytes: Record<Stream, number>;
  /** The attempt has ended, so nothing will be added. */
  complete: boolean;
};

/** What is kept of streams of an attempt as one text; null for an attempt that isn't known. */
export async function readLogInOrder(
  deps: Pick<Deps, 'db'>,
  attemptId: string,
  streams: readonly Stream[] = STREAMS,
): Promise<LogInOrder | null> {
  // One snapshot: else a piece could be trimmed away between the look at what is kept and at when it came.
  return deps.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (db) => {
      const kept = {
        stdout: await readLog({ db }, attemptId, 'stdout'),
        stderr: await readLog({ db }, attemptId, 'stderr'),
      };
      if (kept.stdout === null || kept.stderr === null) return null;
      const arrivals = (await logArrivals(db, attemptId)).filter(({ stream }) => streams.includes(stream));
      return {
        runs: arrivals.flatMap(
          (arrival) => kept[arrival.stream]?.parts.flatMap((part) => overlap(arrival, part)) ?? [],
        ),
        totalBytes: { stdout: kept.stdout.totalBytes, stderr: kept.stderr.totalBytes },
        leftOutBytes: { stdout: kept.stdout.leftOutBytes, stderr: kept.stderr.leftOutBytes },
        complete: kept.stdout.complete && kept.stderr.complete,
      };
    });
}

/** The bytes of a piece that are kept. */
function overlap({ stream, offset, bytes }: LogArrival, part: LogPart): LogRun[] {
  const from = Math.max(offset, part.offset);
  const to = Math.min(offset + bytes, part.offset + part.bytes.length);
  return from < to ? [{ stream, offset: from, bytes: part.bytes.subarray(from - part.offset, to - part.offset) }] : [];
}
