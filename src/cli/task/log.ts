import { type Command, Option } from 'commander';
import { attemptList } from '../../contract/attempt.ts';
import { task } from '../../contract/task.ts';
import { STREAMS, type Stream } from '../../domain/machine.ts';
import { visible } from '../../domain/visible.ts';
import { inPath, wholeNumber } from '../arguments.ts';
import type { Client } from '../client.ts';
import { asksServer, type Context, connect, type ServerOptions } from '../connect.ts';
import { CliError } from '../errors.ts';
import { followLog, waitForEnd } from '../follow.ts';
import { readPages } from '../pages.ts';
import { createVisibleText } from '../visible.ts';
import { standing, taskCommand } from './words.ts';

type Options = ServerOptions & { follow?: boolean; attempt?: number; stream?: Stream; raw?: boolean };
type Writer = { write(bytes: Uint8Array): void; end(): void };

export function addTaskLog(parent: Command, context: Context): void {
  asksServer(taskCommand(parent, 'log', 'print what a task wrote: its stdout to stdout, its stderr to stderr'))
    .option('-f, --follow', 'go on as it is written, until the task ends')
    .option('--attempt <number>', 'of this attempt; else of the last one', wholeNumber(1, 1_000_000))
    .addOption(new Option('--stream <stream>', 'only this one').choices(STREAMS))
    .option('--raw', 'byte by byte as it was written, with what a terminal obeys')
    .action((id: string, options: Options) => printLog(id, options, context));
}

async function printLog(id: string, options: Options, context: Context): Promise<void> {
  const client = connect(options, context);
  const streams = options.stream === undefined ? STREAMS : [options.stream];
  const print = (attemptId: string, follow: boolean) =>
    Promise.all(
      streams.map((stream) => printStream(client, attemptId, stream, follow, writerOf(stream, options, context))),
    );
  if (options.attempt !== undefined) {
    await print(await attemptIdOf(client, id, options.attempt), options.follow === true);
  } else if (options.follow) {
    await followTask(client, id, context, (attemptId) => print(attemptId, true));
  } else {
    const { attempt, status } = await client.get(`/api/v1/tasks/${inPath(id)}`, task);
    if (attempt === null) throw new CliError(`nobody has begun this task: it is ${status}`);
    await print(attempt.id, false);
  }
}

async function followTask(
  client: Client,
  id: string,
  { terminal }: Context,
  print: (attemptId: string) => Promise<unknown>,
): Promise<void> {
  const end = await waitForEnd(client, id, async (attempt) => {
    terminal.err(`attempt ${attempt.number} on ${visible(attempt.agent_id)}\n`);
    await print(attempt.id);
  });
  terminal.err(`the task is ${visible(standing(end))}\n`);
}

async function attemptIdOf(client: Client, taskId: string, number: number): Promise<string> {
  const path = `/api/v1/tasks/${inPath(taskId)}/attempts`;
  const { items } = await readPages(client, path, attemptList, {}, Number.MAX_SAFE_INTEGER);
  const found = items.find((attempt) => attempt.number === number);
  if (found === undefined) throw new CliError(`the task has no attempt ${number}`);
  return found.id;
}

async function printStream(client: Client, attemptId: string, stream: Stream, follow: boolean, writer: Writer) {
  if (follow) await followLog(client, attemptId, stream, writer.write);
  else {
    const response = await client.open(`/api/v1/attempts/${inPath(attemptId)}/log/${stream}`, {});
    for await (const bytes of response.body ?? []) writer.write(bytes);
  }
  writer.end();
}

function writerOf(stream: Stream, { raw }: Options, { terminal }: Context): Writer {
  const bytesTo = stream === 'stdout' ? terminal.outBytes : terminal.errBytes;
  if (raw) return { write: bytesTo, end: () => {} };
  const textTo = stream === 'stdout' ? terminal.out : terminal.err;
  const text = createVisibleText();
  return { write: (bytes) => textTo(text.push(bytes)), end: () => textTo(text.end()) };
}
