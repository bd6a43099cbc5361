import type { MachineReport, StartSpec, Stream } from '../../domain/machine.ts';
import { type LogPiece, type Machine, MachineError } from '../machine.ts';
import { type AskerOptions, createAsker } from './asker.ts';
import { liveReader } from './live-reader.ts';
import { encodeStart, isWrapperName, lastLine, WRAPPER } from './protocol.ts';
import type { RunOptions, Transport } from './transport.ts';

/** Live output covers the head of each stream; the rest is headroom for a talkative start-up file. */
const FOLLOW_BYTES = 4 * 1024 * 1024;
const NAMES: Record<Stream, string> = { stdout: 'out', stderr: 'err' };

export type ShellMachineOptions = AskerOptions;

/** The machine at the other end of a transport, driven through the wrapper script, which it installs on first use. */
export function createShellMachine(
  transport: Transport,
  options: ShellMachineOptions,
  wrapper: string = WRAPPER.name,
): Machine {
  const { ask, stream: streamFrom } = createAsker(transport, options, wrapper);

  async function start(spec: StartSpec, signal: AbortSignal): Promise<MachineReport> {
    const { kind, stdin } = encodeStart(spec);
    // Only the caller knows whether a refusal still means that nothing ran, so a start is not repeated unseen.
    return (await ask('start', kind, signal, { stdin, bulkBytes: 0, repeatable: false })).report;
  }

  async function status(attemptId: string, signal: AbortSignal): Promise<MachineReport> {
    const reply = await ask('status', attemptId, signal);
    return { ...reply.report, progress: lastLine(reply.body) };
  }

  async function read(attemptId: string, stream: Stream, offset: number, limit: number, signal: AbortSignal) {
    const words = [NAMES[stream], offset, limit];
    const reply = await ask('collect', attemptId, signal, { words, bulkBytes: limit });
    return { reply, whole: reply.body.length === reply.bytes };
  }

  async function collect(attemptId: string, stream: Stream, offset: number, limit: number, signal: AbortSignal) {
    let { reply, whole } = await read(attemptId, stream, offset, limit, signal);
    // A segment may go between the line that names it and its first byte: what is kept by then is another one.
    if (!whole) ({ reply, whole } = await read(attemptId, stream, offset, limit, signal));
    if (!whole) throw new MachineError('unreachable', 'the log changed faster than it could be read');
    const piece: LogPiece | null = reply.bytes === 0 ? null : { stream, offset: reply.at, bytes: reply.body };
    return { report: reply.report, piece };
  }

  async function output(attemptId: string, limit: number, signal: AbortSignal) {
    const reply = await ask('output', attemptId, signal, { words: [limit], bulkBytes: limit });
    return reply.at === 0 ? null : { total: reply.at, bytes: reply.body };
  }

  async function follow(
    attemptId: string,
    from: Record<Stream, number>,
    onPiece: (piece: LogPiece) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { read: onOutput, begun } = liveReader(from, onPiece);
    const how: RunOptions = { stdin: 'open', maxBytes: FOLLOW_BYTES, repeatable: false, signal, onOutput };
    await streamFrom(['follow', attemptId, from.stdout, from.stderr], how, begun).catch((error: unknown) => {
      if (!(error instanceof MachineError && error.kind === 'unreachable')) throw error;
    });
  }

  async function cancel(attemptId: string, graceSeconds: number, signal: AbortSignal): Promise<MachineReport> {
    return (await ask('cancel', attemptId, signal, { words: [Math.ceil(graceSeconds)] })).report;
  }

  return {
    wrapper,
    by: (name) => createShellMachine(transport, options, isWrapperName(name) ? name : WRAPPER.name),
    start,
    status,
    follow,
    collect,
    output,
    cancel,
    fence: async (attemptId, signal) => (await ask('fence', attemptId, signal)).report,
    clean: async (attemptId, signal) => void (await ask('clean', attemptId, signal)),
    keep: async (attemptId, signal) => void (await ask('clean', attemptId, signal, { words: ['keep'] })),
    tidy: async (keepSeconds, signal) =>
      void (await ask('tidy', 'tidy', signal, { words: [Math.ceil(keepSeconds / 60)], bulkBytes: 0 })),
    ping: async (signal) => {
      const { storeId, bootId } = (await ask('ping', 'ping', signal)).report;
      return { storeId, bootId };
    },
  };
}
