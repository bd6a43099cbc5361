import type { Readable } from 'node:stream';
import type { Stream } from '../../domain/machine.ts';
import { MachineError } from '../machine.ts';

export type RunOptions = {
  /** Sent whole, then closed; `open` keeps standard input open until the operation ends. */
  stdin: Uint8Array | 'open';
  /** Called with each chunk, one at a time per stream; the sender waits for it. Without it the output is collected. */
  onOutput?: (stream: Stream, chunk: Buffer) => Promise<void>;
  /** No limit when left out. */
  deadlineMs?: number;
  /** The transport may ask again by itself when the end was not seen. */
  repeatable: boolean;
  /** More output than this ends the operation: a machine can't fill our memory. */
  maxBytes: number;
  signal: AbortSignal;
};

export type RunResult = { stdout: Buffer; stderr: Buffer; exitCode: number };

/**
 * How an operation of the wrapper script reaches its machine. `run` rejects with {@link MachineError} when it could
 * not be asked or the end was not seen, and with the signal's reason when that fired.
 */
export type Transport = {
  run(script: string, words: readonly string[], options: RunOptions): Promise<RunResult>;
  /** Puts this release's wrapper script on the machine: whole under its name, or not at all. */
  install(signal: AbortSignal): Promise<void>;
};

/** A deadline of our own passed. */
export class NoAnswer extends MachineError {
  constructor(deadlineMs: number) {
    super('unreachable', `no answer within ${deadlineMs} ms`);
  }
}

/** The machine sent more than an answer can have. */
export class TooMuch extends MachineError {
  constructor(maxBytes: number) {
    super('unreachable', `the machine sent more than ${maxBytes} bytes`);
  }
}

type Gathering = {
  collected(): { stdout: Buffer; stderr: Buffer };
  /** Both streams have ended and their last chunk was taken. The end of a channel does not wait for that. */
  ended: Promise<unknown>;
};

/** Reads both streams to their end, always, within the byte budget; `fail` is called if that is exceeded. */
export function gather(
  sources: Record<Stream, Readable>,
  options: Pick<RunOptions, 'onOutput' | 'maxBytes'>,
  fail: (error: Error) => void,
): Gathering {
  const chunks: Record<Stream, Buffer[]> = { stdout: [], stderr: [] };
  let received = 0;
  let unwanted = false;
  const accept = (stream: Stream, chunk: Buffer): Promise<void> | null => {
    received += chunk.length;
    if (received > options.maxBytes) {
      fail(new TooMuch(options.maxBytes));
      return null;
    }
    if (options.onOutput) return options.onOutput(stream, chunk);
    chunks[stream].push(chunk);
    return null;
  };
  const read = (stream: Stream): Promise<void> => {
    const source = sources[stream];
    source.on('data', (chunk: Buffer) => {
      const wait = unwanted ? null : accept(stream, chunk);
      if (!wait) return;
      source.pause();
      wait.then(
        () => source.resume(),
        (error: Error) => {
          fail(error);
          // What nobody takes any more must be read all the same: an end that waits behind it would never come.
          unwanted = true;
          source.resume();
        },
      );
    });
    source.on('error', () => {}); // the end of the operation tells more
    return new Promise((resolve) => {
      source.once('end', resolve);
      source.once('close', resolve);
    });
  };
  const ended = Promise.all([read('stdout'), read('stderr')]);
  return {
    collected: () => ({ stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr) }),
    ended,
  };
}

/** Calls `end` when the signal fires or the time is over; answers a function that takes both away. */
export function guard(
  { signal, deadlineMs }: Pick<RunOptions, 'signal' | 'deadlineMs'>,
  end: (error: Error) => void,
): () => void {
  const onAbort = () => end(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
  const timer = deadlineMs === undefined ? undefined : setTimeout(() => end(new NoAnswer(deadlineMs)), deadlineMs);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) queueMicrotask(onAbort);
  return () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  };
}
