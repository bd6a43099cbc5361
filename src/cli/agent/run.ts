import { goOnAsPrepared, runAgent } from '../../agent.ts';
import type { Context } from '../connect.ts';
import { createTerminal, type Terminal } from '../terminal.ts';

/** Runs the agent here until it is stopped. */
export async function run(
  { terminal, env }: Pick<Context, 'terminal' | 'env'>,
  file: string | undefined,
): Promise<void> {
  process.exitCode = await runAgent({ file, env, ...linesOf(terminal) });
}

/** An agent that was begun anew goes on, with nothing of the command line: bin/taskejo.js begins here. */
export async function goOn(): Promise<void> {
  process.exitCode = await goOnAsPrepared(process.env, linesOf(createTerminal(process)));
}

function linesOf(terminal: Terminal) {
  terminal.outliveReaders();
  return {
    out: (line: string) => terminal.out(`${line}\n`),
    err: (line: string) => terminal.err(`${line}\n`),
  };
}
