import { MachineError } from '../machine.ts';
import { commandWords, parseReply, type Reply, WRAPPER } from './protocol.ts';
import type { RunOptions, RunResult, Transport } from './transport.ts';

const DEADLINE_MS = 10_000;
const SMALL_BYTES = 64 * 1024;
const NOTHING = new Uint8Array();

export type AskerOptions = {
  /** Names the control folder; one machine may serve several installations. */
  installationId: string;
  /** For an operation, from the first byte sent to the end of the answer; those that carry data have three times it. */
  deadlineMs?: number;
};

export type Asking = {
  words?: readonly (string | number)[];
  stdin?: Uint8Array;
  /** The operation brings up to so many bytes besides its answer. */
  bulkBytes?: number;
  /** May be repeated behind the caller's back when its end was not seen. */
  repeatable?: boolean;
};

export type Asker = {
  ask(op: string, attemptId: string, signal: AbortSignal, asking?: Asking): Promise<Reply>;
  /** Runs an operation whose output is handed on; `begun` tells whether the script had answered. */
  stream(words: readonly (string | number)[], how: RunOptions, begun: () => boolean): Promise<void>;
};

/** What shells end with when they can't open their script. */
const NOT_FOUND: readonly number[] = [2, 126, 127];

/**
 * Asks a wrapper script at the other end of a transport. Where it is missing, that of this release is put there and
 * asked from then on: it reads what an earlier one wrote.
 */
export function createAsker(transport: Transport, options: AskerOptions, name: string): Asker {
  const { installationId, deadlineMs = DEADLINE_MS } = options;
  let script = name;

  async function run<T>(
    words: readonly (string | number)[],
    how: RunOptions,
    { answered, read }: { answered: (result: RunResult) => boolean; read: (result: RunResult) => T },
  ): Promise<T> {
    const line = commandWords(words);
    const first = await transport.run(script, line, how);
    if (!NOT_FOUND.includes(first.exitCode) || answered(first)) return read(first);
    try {
      await transport.install(how.signal);
      script = WRAPPER.name;
      return read(await transport.run(script, line, how));
    } catch (error) {
      throw how.repeatable ? error : unsure(error);
    }
  }

  async function ask(op: string, attemptId: string, signal: AbortSignal, asking: Asking = {}): Promise<Reply> {
    signal.throwIfAborted();
    const { words = [], stdin = NOTHING, bulkBytes, repeatable = true } = asking;
    const answered = (result: RunResult) => result.stdout.length > 0;
    const how: RunOptions = {
      stdin,
      maxBytes: SMALL_BYTES + (bulkBytes ?? 0),
      deadlineMs: bulkBytes === undefined ? deadlineMs : 3 * deadlineMs,
      repeatable,
      signal,
    };
    const read = (result: RunResult) => {
      if (!answered(result)) throw silent(result);
      return parseReply(result.stdout);
    };
    return await run([op, installationId, attemptId, ...words], how, { answered, read });
  }

  return {
    ask,
    stream: async ([op = '', ...words], how, begun) => {
      how.signal.throwIfAborted();
      await run([op, installationId, ...words], how, { answered: begun, read: () => {} });
    },
  };
}

/**
 * A shell that can't fork any more ends in the middle of a script as one that can't open it: what is to happen once may
 * have begun, whatever comes of the second try.
 */
const unsure = (error: unknown): unknown =>
  error instanceof MachineError ? new MachineError('unreachable', error.message, { cause: error }) : error;

function silent({ exitCode, stderr }: RunResult): MachineError {
  const said = stderr.subarray(0, 300).toString('utf8').trim();
  return new MachineError('shell', `the wrapper script gave no answer (exit ${exitCode}): ${said}`);
}
