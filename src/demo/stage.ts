import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endProcesses, removeFolder } from './clean-up.ts';
import { Interrupted } from './errors.ts';

const GUARDIAN = fileURLToPath(new URL('./guardian.ts', import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const PATIENCE_MS = 12_000;
const SAME_KEYSTROKE_MS = 1_000;

/** Where a demo plays: a folder of its own, and all that must be undone when it is over, however that comes. */
export type Stage = {
  folder: string;
  /** Fires when somebody ends the demo, or something that it needs is gone; the reason says which. */
  signal: AbortSignal;
  fail(error: Error): void;
  /** A folder in the folder. */
  room(name: string): string;
  logFile(name: string): string;
  /** A file elsewhere that must not stay if the demo is killed; empty: none. */
  watch(file: string): void;
  /** Stopped at the end, the last one first. */
  defer(stop: () => Promise<void>): void;
  /** Ends and removes everything. `keepLogs`: they are moved, and the answer says where to; else it is null. */
  close(keepLogs: boolean): Promise<string | null>;
};

export function openStage(): Stage {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-demo-')));
  // Where the database can't run as root it runs as nobody, who must be able to reach its own folder in here.
  if (process.getuid?.() === 0) chmodSync(folder, 0o711);
  const logs = join(folder, 'logs');
  mkdirSync(logs, { mode: 0o700 });
  const ending = new AbortController();
  const guardian = startGuardian(folder);
  const parts = new AsyncDisposableStack();
  let askedAt = Number.POSITIVE_INFINITY;
  const onSignal = (signal: (typeof SIGNALS)[number]) => {
    const interrupted = new Interrupted(signal);
    // npm passes a terminal's Ctrl-C on, so that it comes twice. Later it means hurry: the guardian does the rest.
    if (performance.now() - askedAt > SAME_KEYSTROKE_MS) process.exit(interrupted.exitCode);
    askedAt = Math.min(askedAt, performance.now());
    ending.abort(interrupted);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    folder,
    signal: ending.signal,
    fail: (error) => ending.abort(error),
    room(name) {
      const room = join(folder, name);
      mkdirSync(room, { recursive: true, mode: 0o700 });
      return room;
    },
    logFile: (name) => join(logs, `${name}.log`),
    watch: (file) => guardian.say(`file ${file}`),
    defer: (stop) => parts.defer(stop),
    async close(keepLogs) {
      await parts.disposeAsync().catch(() => {}); // what didn't stop is ended now
      await endProcesses(folder, PATIENCE_MS);
      const kept = keepLogs ? mkdtempSync(join(tmpdir(), 'taskejo-demo-logs-')) : null;
      if (kept !== null) renameSync(logs, join(kept, 'logs'));
      await removeFolder(folder);
      await guardian.dismiss();
      for (const signal of SIGNALS) process.off(signal, onSignal);
      return kept === null ? null : join(kept, 'logs');
    },
  };
}

/** Ends what is left when this process is killed; see there. */
function startGuardian(folder: string) {
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, GUARDIAN], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const exited = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const say = (line: string) => child.stdin?.write(`${line}\n`);
  child.stdin?.on('error', () => {}); // it is gone, and nothing depends on it while we live
  say(`folder ${folder}`);
  return {
    say,
    async dismiss() {
      say('done');
      child.stdin?.end();
      await exited;
    },
  };
}
