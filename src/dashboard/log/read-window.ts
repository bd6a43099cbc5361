import { STREAMS, type Stream } from '../../domain/machine.ts';
import type { Deps } from '../../usecases/deps.ts';
import { readLogInOrder } from '../../usecases/log/read-log-in-order.ts';
import { createLineReader, type Position } from './lines.ts';
import { createWindow, type Window } from './window.ts';

/** A log as it stands, as far as it fits on a page. */
export type LogView = Window & {
  totalBytes: number;
  leftOutBytes: number;
  complete: boolean;
  /** Where each stream goes on. */
  positions: Record<Stream, Position>;
};

/** The last lines of an attempt, or those around one; null for an attempt that isn't known. */
export async function readWindow(
  deps: Pick<Deps, 'db'>,
  attemptId: string,
  streams: readonly Stream[],
  around: string | null,
): Promise<LogView | null> {
  const log = await readLogInOrder(deps, attemptId, streams);
  if (log === null) return null;
  const readers = { stdout: createLineReader('stdout'), stderr: createLineReader('stderr') };
  const window = createWindow(around);
  for (const run of log.runs) window.add(readers[run.stream].push(run));
  for (const stream of streams) window.add([readers[stream].unfinished()].filter((line) => line !== null));
  const sum = (bytes: Record<Stream, number>) => streams.reduce((all, stream) => all + bytes[stream], 0);
  return {
    ...window.window(),
    totalBytes: sum(log.totalBytes),
    leftOutBytes: sum(log.leftOutBytes),
    complete: log.complete,
    positions: Object.fromEntries(
      STREAMS.map((stream) => [stream, readers[stream].position()]),
    ) as LogView['positions'],
  };
}
