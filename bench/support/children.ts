import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

export type Start = { stdio: StdioOptions; env?: NodeJS.ProcessEnv; cwd?: string };
export type Children = {
  /** In front of a command: keeps it on the cores that all contestants share. Empty where that can't be. */
  pinning: readonly string[];
  start(file: string, args: readonly string[], options: Start): ChildProcess;
  /** Asks it to end, and kills it when it doesn't. */
  end(child: ChildProcess, signal?: NodeJS.Signals): Promise<void>;
  endAll(): Promise<void>;
};

const PATIENCE_MS = 15_000;

/** The processes of one run, all on the same cores, so that none is left when the run ends. */
export function createChildren(cores: string, warn: (text: string) => void): Children {
  const running = new Set<ChildProcess>();
  const pinning = choosePinning(cores, warn);
  const end: Children['end'] = async (child, signal = 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    await gone;
    clearTimeout(late);
  };
  return {
    pinning,
    end,
    start(file, args, options) {
      const [program = file, ...rest] = [...pinning, file, ...args];
      const child = spawn(program, rest, { ...options, env: { ...process.env, ...options.env } });
      running.add(child);
      child.once('exit', () => running.delete(child));
      return child;
    },
    endAll: async () => void (await Promise.all([...running].map((child) => end(child)))),
  };
}

function choosePinning(cores: string, warn: (text: string) => void): string[] {
  const pinning = ['taskset', '-c', cores];
  const [program = '', ...args] = [...pinning, 'true'];
  if (spawnSync(program, args).status === 0) return pinning;
  warn(`taskset can't keep processes on cores ${cores}: figures "on two cores" are of all cores of this machine`);
  return [];
}
