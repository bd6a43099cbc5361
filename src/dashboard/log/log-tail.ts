import type { Stream } from '../../domain/machine.ts';
import type { Deps } from '../../usecases/deps.ts';
import { readLogFrom } from '../../usecases/log/read-log.ts';
import { createLineReader, type Item, type Line, type Position } from './lines.ts';

export type LogNews = {
  items: Item[];
  /** Nothing will come any more. */
  ended: boolean;
  totalBytes: number;
};
export type LogTail = {
  attemptId: string;
  /** What came since the last time. A line that hasn't ended yet comes again, under the same name. */
  read(): Promise<LogNews>;
  positions(): Record<Stream, Position>;
};

/** At most so many stored pieces of a stream at a time, of at most 1 MiB each. */
const MAX_PIECES = 4;

/** Follows a log from where a page has it. */
export function createLogTail(
  deps: Pick<Deps, 'db'>,
  attemptId: string,
  streams: readonly Stream[],
  from: Record<Stream, Position>,
): LogTail {
  const readers = { stdout: createLineReader('stdout', from.stdout), stderr: createLineReader('stderr', from.stderr) };
  const shown = new Map<string, number>();

  const isNews = (line: Line | null): line is Line => {
    if (line === null) return false;
    const length = line.bytes.length + line.cut;
    if (shown.get(line.stream) === length && length > 0) return false;
    shown.set(line.stream, length);
    return true;
  };
  const readStream = async (stream: Stream): Promise<LogNews> => {
    const reader = readers[stream];
    const progress = await readLogFrom(deps, attemptId, stream, reader.wants(), MAX_PIECES);
    const items = progress.pieces.flatMap((piece) => reader.push(piece));
    if (items.length > 0) shown.delete(stream);
    const unfinished = reader.unfinished();
    return { ...progress, items: isNews(unfinished) ? [...items, unfinished] : items };
  };

  return {
    attemptId,
    async read() {
      const news = [];
      for (const stream of streams) news.push(await readStream(stream));
      return {
        items: news.flatMap(({ items }) => items),
        ended: news.every(({ ended }) => ended),
        totalBytes: news.reduce((sum, { totalBytes }) => sum + totalBytes, 0),
      };
    },
    positions: () => ({ stdout: readers.stdout.position(), stderr: readers.stderr.position() }),
  };
}
