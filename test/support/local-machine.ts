import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalMachine } from '../../src/executor/local/local-machine.ts';
import type { MachineSubject } from '../suites/machine-suite.ts';
import { killProcessesIn } from './proc.ts';

/** The local machine in a folder of its own; `path` decides which `sh` and which tools it finds. */
export async function localSubject(path?: (folder: string) => string): Promise<MachineSubject> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-local-')));
  const environment = path ? { PATH: path(home) } : {};
  return {
    home,
    machine: () => createLocalMachine({ directory: join(home, 'machine'), installationId: 'suite', environment }),
    disconnect: async () => {}, // each operation is a process of its own: there is no link
    stop: async () => {
      killProcessesIn(home);
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A PATH on which everything is busybox, as on a small Linux. */
export function busyboxPath(busybox: string, folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  execFileSync(busybox, ['--install', '-s', bin]);
  return bin;
}

/** A PATH on which `sh` is this shell: bash called so is in POSIX mode. */
export function shellPath(shell: string, folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(shell, join(bin, 'sh'));
  return `${bin}:/usr/local/bin:/usr/bin:/bin`;
}
