import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Machine, MachineError } from '../machine.ts';
import { WRAPPER } from '../wrapper/protocol.ts';
import { createShellMachine, type ShellMachineOptions } from '../wrapper/shell-machine.ts';
import type { Transport } from '../wrapper/transport.ts';
import { beginOperation, finishOperation } from './operation.ts';
import { createSpare, type Spare } from './spare.ts';

export type LocalMachineOptions = ShellMachineOptions & {
  /** Where the wrapper script and the control folders live; made when it is missing. */
  directory: string;
  /** One start is made ready ahead, from the first on: the next command begins sooner, and some shells wait for it. */
  ahead?: boolean;
  /** `PATH` and `LANG` that commands find unless their own environment says otherwise. */
  environment?: { PATH?: string; LANG?: string };
};

/** `stop` resolves when nothing that was made ready ahead is left. */
export type LocalMachine = Machine & { stop(): Promise<void> };

/**
 * The machine that this program runs on. Operations are short child processes; attempts belong to supervisors in
 * sessions of their own, so that they outlive us and the next start of this program finds them again.
 */
export function createLocalMachine(options: LocalMachineOptions): LocalMachine {
  const spare = createSpare();
  return { ...createShellMachine(createLocalTransport(options, spare), options), stop: spare.stop };
}

function createLocalTransport({ directory, environment, ahead = false }: LocalMachineOptions, spare: Spare): Transport {
  const env: NodeJS.ProcessEnv = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: directory, ...environment };
  const begin = (script: string, words: readonly string[]) => beginOperation([join(directory, script), ...words], env);
  return {
    async run(script, words, options) {
      const isAhead = ahead && script === WRAPPER.name && isSameEachTime(words);
      const child = (isAhead && spare.take()) || begin(script, words);
      const result = await finishOperation(child, options);
      if (isAhead && result.exitCode === 0) spare.keep(() => begin(script, words)); // else the script may be missing
      return result;
    },
    install: () => install(directory),
  };
}

/** Of a start that needs nothing special, all that is about its attempt comes with its input. */
const isSameEachTime = ([op, , kind]: readonly string[]): boolean => op === 'start' && kind === 'free';

async function install(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const temporary = join(directory, `w.${process.pid}.${crypto.randomUUID()}`);
    await writeFile(temporary, WRAPPER.text, { mode: 0o600, flag: 'wx' });
    await rename(temporary, join(directory, WRAPPER.name));
  } catch (error) {
    const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
    throw new MachineError(full ? 'disk_full' : 'home', `can't write in ${directory}`, { cause: error });
  }
}
