import type { Kysely } from 'kysely';
import type { Stream } from '../../domain/machine.ts';
import { findAttemptRow } from '../../store/attempts.ts';
import { keptLog, type LogPart, logPiecesFrom, sealedStream } from '../../store/logs.ts';
import type { Database } from '../../store/schema.ts';

type Reading = { db: Kysely<Database> };

export type ReadLog = {
  /** What is kept from the offset on that was asked for, with a line in the place of bytes that were left out. */
  bytes: Uint8Array;
  /** The same as runs of bytes at their offsets in what the command wrote. */
  parts: LogPart[];
  totalBytes: number;
  leftOutBytes: number;
  /** The attempt has ended, so nothing will be added. */
  complete: boolean;
};

/** What is kept of a stream; null for an attempt that isn't known. */
export async function readLog(
  deps: Reading,
  attemptId: string,
  stream: Stream,
  fromOffset = 0,
): Promise<ReadLog | null> {
  // The end is read first: what is stored after it is complete if it had ended by then.
  const attempt = await findAttemptRow(deps.db, attemptId);
  if (attempt === null) return null;
  const { totalBytes, parts } = await keptLog(deps.db, attemptId, stream);
  const kept = parts.reduce((sum, part) => sum + part.bytes.length, 0);
  return {
    bytes: withMarkers(parts, fromOffset, totalBytes),
    parts,
    totalBytes,
    // What was written between the two reads counts as kept but not yet in the total.
    leftOutBytes: Math.max(0, totalBytes - kept),
    complete: attempt.finished_at !== null,
  };
}

function withMarkers(parts: readonly LogPart[], fromOffset: number, totalBytes: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let at = fromOffset;
  for (const { offset, bytes } of [...parts, { offset: totalBytes, bytes: Buffer.alloc(0) }]) {
    if (offset + bytes.length < at) continue;
    if (offset > at) pieces.push(Buffer.from(`\n[${offset - at} bytes left out]\n`));
    pieces.push(bytes.subarray(Math.max(0, at - offset)));
    at = offset + bytes.length;
  }
  return Buffer.concat(pieces);
}

export type LogProgress = { pieces: LogPart[]; ended: boolean; totalBytes: number; sha256: string | null };

/** What was stored from an offset on, at most `limit` pieces, and whether the attempt has ended: for who follows. */
export async function readLogFrom(
  deps: Reading,
  attemptId: string,
  stream: Stream,
  fromOffset: number,
  limit: number,
): Promise<LogProgress> {
  const attempt = await findAttemptRow(deps.db, attemptId);
  const pieces = await logPiecesFrom(deps.db, attemptId, stream, fromOffset, limit);
  const { totalBytes, sha256 } = await sealedStream(deps.db, attemptId, stream);
  return { pieces, ended: attempt?.finished_at !== null && pieces.length < limit, totalBytes, sha256 };
}
