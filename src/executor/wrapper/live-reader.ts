import { STREAMS, type Stream } from '../../domain/machine.ts';
import type { LogPiece } from '../machine.ts';
import { isReply, parseReply } from './protocol.ts';

const NEWLINE = 0x0a;

/**
 * Takes the output of `follow`: on both streams a reply line, then the command's own bytes. Before the line a start-up
 * file may have written to standard error (that is skipped), but not to standard output (that is an error).
 */
export function liveReader(
  from: Record<Stream, number>,
  onPiece: (piece: LogPiece) => Promise<void>,
): { read: (stream: Stream, chunk: Buffer) => Promise<void>; begun: () => boolean } {
  const state = Object.fromEntries(
    STREAMS.map((stream) => [stream, { offset: from[stream], begun: false, waiting: Buffer.alloc(0) }]),
  ) as Record<Stream, { offset: number; begun: boolean; waiting: Buffer }>;

  /** The bytes after the reply line, null while it has not come. */
  function afterLine(stream: Stream, bytes: Buffer): Buffer | null {
    let rest = bytes;
    while (stream === 'stderr' && !isReply(rest)) {
      const end = rest.indexOf(NEWLINE);
      if (end < 0) return null;
      rest = rest.subarray(end + 1);
    }
    const end = rest.indexOf(NEWLINE);
    if (end < 0) return null;
    return parseReply(rest).body;
  }

  async function read(stream: Stream, chunk: Buffer): Promise<void> {
    const mine = state[stream];
    let bytes = chunk;
    if (!mine.begun) {
      mine.waiting = Buffer.concat([mine.waiting, chunk]);
      const body = afterLine(stream, mine.waiting);
      if (body === null) return;
      mine.begun = true;
      mine.waiting = Buffer.alloc(0);
      bytes = body;
    }
    if (bytes.length === 0) return;
    const offset = mine.offset;
    mine.offset += bytes.length;
    await onPiece({ stream, offset, bytes });
  }

  return { read, begun: () => state.stdout.begun };
}
