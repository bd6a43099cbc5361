import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { StoreLog } from '../log.ts';
import type { Launcher } from './launcher.ts';

export type PostgresProcess = {
  pid: number;
  /** Resolves when the process is gone, with how it ended. */
  exited: Promise<string>;
  isRunning(): boolean;
  /** The last lines that it wrote, for an error message; waits for those still under way when it is gone. */
  lastWords(): Promise<string>;
  /** Lets sessions end that are ending, then the fast shutdown, after `patienceMs` the immediate one. */
  stop(patienceMs?: number): Promise<void>;
};

/** Connections that were closed a moment ago still have a process each: it is told to go, and need not be thrown out. */
const GENTLE_MS = 1_000;
/** What our own looks at a server that is still starting are told. */
const STARTING = /the database system is starting up/;

export type Program = { path: string; args: string[]; launcher: Launcher; log: StoreLog };

/** Runs one of PostgreSQL's programs, so that it ends when this process does. Throws when it can't be started. */
export async function runPostgres({ path, args, launcher, log }: Program): Promise<PostgresProcess> {
  const [file = path, ...rest] = [...launcher.prefix, path, ...args];
  // A session of its own: Ctrl-C in a terminal must reach the server alone, which stops PostgreSQL last.
  const child = spawn(file, rest, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: environment() });
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  const pid = child.pid ?? 0;
  const lines = keepLines(child, pid, log);
  const silent = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const watcher = launcher.endsWithParent ? null : watchParent(pid);
  void exited.then(() => watcher?.kill('SIGKILL'));
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  return {
    pid,
    exited,
    isRunning,
    async lastWords() {
      // Children of a killed PostgreSQL may hold its output a little longer.
      if (!isRunning()) await within(1_000, silent);
      return lines.join('\n');
    },
    async stop(patienceMs = 30_000) {
      child.kill('SIGTERM');
      await within(GENTLE_MS, exited);
      if (isRunning()) child.kill('SIGINT');
      await within(patienceMs, exited);
      if (isRunning()) child.kill('SIGQUIT');
      await exited;
    },
  };
}

/** Waits for the event, but not longer than that. */
async function within(ms: number, event: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).catch(() => {});
  await Promise.race([event, late]);
  timer.abort();
}

function keepLines(child: ChildProcessByStdio<null, Readable, Readable>, pid: number, log: StoreLog): string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > 20) lines.shift();
      if (/ (FATAL|PANIC): /.test(line) && !STARTING.test(line)) log.warn({ pid }, line);
      else log.debug({ pid }, line);
    });
  }
  return lines;
}

/** Where the kernel can't tell PostgreSQL that its parent died, a shell at the other end of a pipe does. */
function watchParent(pid: number): ChildProcess {
  const script = 'read -r line; kill -INT "$1"';
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.unref();
  return watcher;
}

/** Nothing of ours (PGDATA, PGHOST, LD_PRELOAD, …) may change what the database does. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}
