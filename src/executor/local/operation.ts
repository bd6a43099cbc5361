import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { MachineError } from '../machine.ts';
import { gather, guard, type RunOptions, type RunResult } from '../wrapper/transport.ts';

/** An operation of the wrapper script that has begun as a child process, and may wait for its input. */
export type Operation = ChildProcessWithoutNullStreams;

export function beginOperation(words: readonly string[], env: NodeJS.ProcessEnv): Operation {
  // A session of its own: a signal from the terminal must not cut an operation in the middle.
  const child = spawn('sh', words, { env, cwd: '/', stdio: 'pipe', detached: true });
  child.stdin.on('error', () => {}); // an operation need not read what it doesn't want
  return child;
}

export function finishOperation(child: Operation, options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    let failure: Error | null = null;
    const fail = (error: Error) => {
      failure ??= error;
      end(child);
    };
    const release = guard(options, fail);
    const { collected } = gather({ stdout: child.stdout, stderr: child.stderr }, options, fail);
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

function end(child: Operation): void {
  child.stdin.destroy();
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}
