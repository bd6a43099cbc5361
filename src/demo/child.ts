import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DemoError } from './errors.ts';
import { type Patience, within } from './until.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/taskejo.js', import.meta.url));

export type ChildOptions = {
  /** How the story calls it. */
  name: string;
  args: readonly string[];
  /** Home and current directory: what marks it as ours. */
  home: string;
  logFile: string;
  /** Told when it ends without having been stopped. */
  onDeath: (error: DemoError) => void;
};

export type Child = {
  /** The first line that it prints and that the expression matches. */
  line(pattern: RegExp, patience: Patience): Promise<RegExpExecArray>;
  /** Asks it to end and waits; what does not end within `patienceMs` is left to the clean-up. */
  stop(patienceMs: number): Promise<void>;
};

/**
 * One of our programs as a process of its own. It ends when this one does, by the channel between them; it is no part
 * of the terminal's group, so that Ctrl-C reaches the demo alone, which ends the others in order.
 */
export function startChild({ name, args, home, logFile, onDeath }: ChildOptions): Child {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, [...process.execArgv, LAUNCHER, ...args], {
    cwd: home,
    env: { ...environment(), HOME: home },
    stdio: ['ignore', 'pipe', log, 'ipc'],
    detached: true,
  });
  const lines = keepLines(child, logFile);
  let stopping = false;
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`));
  });
  const death = ended.then((how) => new DemoError(`${name} ${how}`));
  void death.then((error) => stopping || onDeath(error));
  return {
    line: (pattern, patience) =>
      within(
        `the line of ${name} that matches ${pattern}`,
        Promise.race([lines.find(pattern), death.then((error) => Promise.reject(error))]),
        patience,
      ),
    async stop(patienceMs) {
      stopping = true;
      child.kill('SIGTERM');
      const signal = AbortSignal.timeout(patienceMs);
      await Promise.race([ended, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
    },
  };
}

/** Settings that somebody made for a server of their own are not for this one. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:TASKEJO_|DATABASE_URL$|PG)/.test(name)));

function keepLines(child: ChildProcess, logFile: string) {
  const seen: string[] = [];
  const waiting = new Set<() => void>();
  if (child.stdout !== null) {
    child.stdout.pipe(createWriteStream(logFile, { flags: 'a' }));
    createInterface({ input: child.stdout }).on('line', (line) => {
      seen.push(line);
      for (const look of waiting) look();
    });
  }
  return {
    find: (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve) => {
        const look = () => {
          const match = seen.map((line) => pattern.exec(line)).find((one) => one !== null);
          if (match === undefined) return;
          waiting.delete(look);
          resolve(match);
        };
        waiting.add(look);
        look();
      }),
  };
}
