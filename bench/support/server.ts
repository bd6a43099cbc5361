import { once } from 'node:events';
import { closeSync, globSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Api, createApi } from './api.ts';
import type { Children } from './children.ts';

export type Target = { host: string; port: number };
export type Server = AsyncDisposable & { pid: number; target: Target; adminToken: string; database: string; api: Api };
export type ServerOptions = {
  children: Children;
  folder: string;
  database: string;
  databaseUrl: string;
  config?: string;
  /** For the Node that runs it: `--cpu-prof` for example. */
  nodeFlags: readonly string[];
};

const ADMIN_TOKEN = 'benchmark-admin-token-0123456789abcdef';
export const PROGRAM = fileURLToPath(new URL('../../bin/taskejo.js', import.meta.url));

/** The real program in a process of its own, as an operator starts it. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { children, folder, database, databaseUrl, config, nodeFlags } = options;
  const logFile = join(folder, `${database}.log`);
  const log = openSync(logFile, 'a');
  const args = ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(folder, `${database}-data`)];
  const child = children.start(
    process.execPath,
    [
      ...nodeFlags,
      '--disable-warning=ExperimentalWarning',
      PROGRAM,
      ...args,
      ...(config === undefined ? [] : ['--config', config]),
    ],
    {
      cwd: folder,
      // With a channel to us it ends when we do, however we do.
      stdio: ['ignore', 'pipe', log, 'ipc'],
      env: { DATABASE_URL: databaseUrl, TASKEJO_ADMIN_TOKEN: ADMIN_TOKEN, TASKEJO_LOG__LEVEL: 'warn' },
    },
  );
  closeSync(log);
  if (child.stdout === null) throw new Error('the server has no output');
  const lines = createInterface(child.stdout);
  const ended = once(child, 'exit').then(() => {
    throw new Error(`the server ended before it listened:\n${readFileSync(logFile, 'utf8').slice(-2000)}`);
  });
  ended.catch(() => {});
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string];
  const url = new URL(line.replace('listening on ', ''));
  return {
    pid: child.pid ?? 0,
    target: { host: url.hostname, port: Number(url.port) },
    adminToken: ADMIN_TOKEN,
    database,
    api: createApi(url.origin, ADMIN_TOKEN),
    [Symbol.asyncDispose]: () => children.end(child),
  };
}

/** What the servers of a run wrote last, for whoever looks for a fault. */
export function lastWords(folder: string): string {
  const logs = globSync(join(folder, '*.log')).toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  return logs[0] === undefined
    ? ''
    : readFileSync(logs[0], 'utf8').trim().split('\n').slice(-2).join('\n').slice(-3000);
}
