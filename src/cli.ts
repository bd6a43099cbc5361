import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { CommanderError } from 'commander';
import { CliError, EXIT } from './cli/errors.ts';
import { createProgram } from './cli/program.ts';
import { createTerminal } from './cli/terminal.ts';
import { ConfigError } from './yaml-file/mistake.ts';

/* The command line: bin/taskejo.js begins here. */

const terminal = createTerminal(process);
const context = { terminal, env: process.env, readInput: () => buffer(process.stdin), readLine };
const program = await createProgram(context, process.argv[2]);
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

async function readLine({ hidden = false } = {}): Promise<string | null> {
  const input = process.stdin;
  const unseen = hidden && input.isTTY;
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  for await (const line of createInterface(unseen ? { input, output, terminal: true } : { input })) return line;
  return null;
}

/** Says once, in one sentence where it can be, why a command ended; answers the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof ConfigError) {
    terminal.err(`${error.message}\n`);
    return EXIT.usage;
  }
  terminal.err(`taskejo: ${sentenceOf(error)}\n`);
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}

/** Errors with a name or a code of their own are meant to be read; of any other the place is needed to mend it. */
function sentenceOf(error: unknown): string {
  if (error instanceof AggregateError) return sentenceOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const meant = error.name !== 'Error' && !(error instanceof TypeError) && !(error instanceof RangeError);
  return meant || 'code' in error ? error.message : (error.stack ?? error.message);
}
