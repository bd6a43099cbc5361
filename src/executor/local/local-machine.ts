import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Machine, MachineError } from '../machine.ts';
import { WRAPPER } from '../wrapper/protocol.ts';
import { createShellMachine, type ShellMachineOptions } from '../wrapper/shell-machine.ts';
import { gather, guard, type RunOptions, type RunResult, type Transport } from '../wrapper/transport.ts';

export type LocalMachineOptions = ShellMachineOptions & {
  /** Where the wrapper script and the control folders live; made when it is missing. */
  directory: string;
  /** `PATH` and `LANG` that commands find unless their own environment says otherwise. */
  environment?: { PATH?: string; LANG?: string };
};

/**
 * The machine that this program runs on. Operations are short child processes; attempts belong to supervisors in
 * sessions of their own, so that they outlive us and the next start of this program finds them again.
 */
export function createLocalMachine({ directory, environment = {}, ...options }: LocalMachineOptions): Machine {
  return createShellMachine(createLocalTransport(directory, environment), options);
}

function createLocalTransport(directory: string, environment: { PATH?: string; LANG?: string }): Transport {
  const env: NodeJS.ProcessEnv = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: directory, ...environment };
  return {
    run: (script, words, options) => runChild(join(directory, script), words, env, options),
    install: () => install(directory),
  };
}

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

function runChild(script: string, words: readonly string[], env: NodeJS.ProcessEnv, options: RunOptions) {
  return new Promise<RunResult>((resolve, reject) => {
    // A session of its own: a signal from the terminal must not cut an operation in the middle.
    const child = spawn('sh', [script, ...words], { env, cwd: '/', stdio: 'pipe', detached: true });
    let failure: Error | null = null;
    const fail = (error: Error) => {
      failure ??= error;
      end(child);
    };
    const release = guard(options, fail);
    const { collected } = gather({ stdout: child.stdout, stderr: child.stderr }, options, fail);
    child.stdin.on('error', () => {}); // an operation need not read what it doesn't want
    child.once('error', (error) => {
      failure ??= new MachineError('shell', 'sh could not be started', { cause: error });
    });
    child.once('close', (code) => {
      release();
      if (failure) reject(failure);
      else resolve({ ...collected(), exitCode: code ?? 255 });
    });
    if (options.stdin !== 'open') child.stdin.end(options.stdin);
  });
}

function end(child: ChildProcess): void {
  child.stdin?.destroy();
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}
