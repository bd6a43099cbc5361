import type { MachineReport, StartSpec, Stream } from '../../domain/machine.ts';
import { type LogPiece, type Machine, MachineError } from '../machine.ts';
import { liveReader } from './live-reader.ts';
import { commandWords, encodeStart, lastLine, parseReply, type Reply } from './protocol.ts';
import type { RunOptions, RunResult, Transport } from './transport.ts';

const DEADLINE_MS = 30_000;
const SMALL_BYTES = 64 * 1024;
/** Live output covers the head of each stream; the rest is headroom for a talkative start-up file. */
const FOLLOW_BYTES = 4 * 1024 * 1024;
const NAMES: Record<Stream, string> = { stdout: 'out', stderr: 'err' };

export type ShellMachineOptions = {
  /** Names the control folder; one machine may serve several installations. */
  installationId: string;
  /** For a single operation, from the first byte sent to the end of the answer. */
  deadlineMs?: number;
};

type Asking = Partial<Pick<RunOptions, 'stdin' | 'maxBytes'>>;

/** The machine at the other end of a transport, driven through the wrapper script, which it installs on first use. */
export function createShellMachine(transport: Transport, options: ShellMachineOptions): Machine {
  const { installationId, deadlineMs = DEADLINE_MS } = options;
  const NOTHING = new Uint8Array();

  /** Runs an operation; if the script isn't there yet, puts it there and tries once more. */
  async function run(
    words: (string | number)[],
    how: RunOptions,
    answered: (result: RunResult) => boolean,
  ): Promise<RunResult> {
    const line = commandWords(words);
    const first = await transport.run(line, how);
    if (first.exitCode === 0 || answered(first)) return first;
    await transport.install(how.signal);
    return await transport.run(line, how);
  }

  async function ask(
    op: string,
    attemptId: string,
    words: (string | number)[],
    signal: AbortSignal,
    { stdin = NOTHING, maxBytes = SMALL_BYTES }: Asking = {},
  ): Promise<Reply> {
    signal.throwIfAborted();
    const answered = (result: RunResult) => result.stdout.length > 0;
    const line = [op, installationId, attemptId, ...words];
    const result = await run(line, { stdin, maxBytes, signal, deadlineMs }, answered);
    if (!answered(result)) throw silent(result);
    return parseReply(result.stdout);
  }

  const report = async (op: string, attemptId: string, words: number[], signal: AbortSignal): Promise<MachineReport> =>
    (await ask(op, attemptId, words, signal)).report;

  async function start(spec: StartSpec, signal: AbortSignal): Promise<MachineReport> {
    const { words, stdin } = encodeStart(spec);
    return (await ask('start', spec.attemptId, words, signal, { stdin })).report;
  }

  async function status(attemptId: string, signal: AbortSignal): Promise<MachineReport> {
    const reply = await ask('status', attemptId, [], signal);
    return { ...reply.report, progress: lastLine(reply.body) };
  }

  async function read(attemptId: string, name: string, offset: number, limit: number, signal: AbortSignal) {
    const reply = await ask('collect', attemptId, [name, offset, limit], signal, { maxBytes: limit + SMALL_BYTES });
    return { reply, whole: reply.body.length === reply.bytes };
  }

  async function collect(attemptId: string, stream: Stream, offset: number, limit: number, signal: AbortSignal) {
    let { reply, whole } = await read(attemptId, NAMES[stream], offset, limit, signal);
    // A segment may go between the line that names it and its first byte: what is kept by then is another one.
    if (!whole) ({ reply, whole } = await read(attemptId, NAMES[stream], offset, limit, signal));
    if (!whole) throw new MachineError('unreachable', 'the log changed faster than it could be read');
    const piece: LogPiece | null = reply.bytes === 0 ? null : { stream, offset: reply.at, bytes: reply.body };
    return { report: reply.report, piece };
  }

  async function output(attemptId: string, limit: number, signal: AbortSignal) {
    const reply = await ask('output', attemptId, [limit], signal, { maxBytes: limit + SMALL_BYTES });
    return reply.at === 0 ? null : { total: reply.at, bytes: reply.body };
  }

  async function follow(
    attemptId: string,
    from: Record<Stream, number>,
    onPiece: (piece: LogPiece) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const reader = liveReader(from, onPiece);
    const how: RunOptions = { stdin: 'open', maxBytes: FOLLOW_BYTES, signal, onOutput: reader.read };
    const line = ['follow', installationId, attemptId, from.stdout, from.stderr];
    await run(line, how, reader.begun).catch((error: unknown) => {
      if (!(error instanceof MachineError && error.kind === 'unreachable')) throw error;
    });
  }

  return {
    start,
    status,
    follow,
    collect,
    output,
    cancel: (attemptId, graceSeconds, signal) => report('cancel', attemptId, [Math.ceil(graceSeconds)], signal),
    fence: (attemptId, signal) => report('fence', attemptId, [], signal),
    clean: async (attemptId, signal) => void (await report('clean', attemptId, [], signal)),
    ping: async (signal) => {
      const { storeId, bootId } = await report('ping', 'ping', [], signal);
      return { storeId, bootId };
    },
  };
}

function silent({ exitCode, stderr }: RunResult): MachineError {
  const said = stderr.subarray(0, 300).toString('utf8').trim();
  return new MachineError('shell', `the wrapper script gave no answer (exit ${exitCode}): ${said}`);
}
