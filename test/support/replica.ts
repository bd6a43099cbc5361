import { onTestFinished } from 'vitest';
import { taskejoFile } from './command-line.ts';
import { environmentWith, exitOf, firstLine, startProgram } from './programs.ts';
import { temporaryFolder } from './temporary.ts';

export const ADMIN_TOKEN = 'an-admin-token-of-thirty-two-characters';

/** One of several servers on a database, in a process of its own that a test may treat badly. */
export type Replica = {
  url: string;
  /** All that it has logged so far. */
  log(): string;
  signal(name: NodeJS.Signals): void;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
};

export type ReplicaOptions = {
  databaseUrl: string;
  env?: Record<string, string>;
  /** Where it listens; any port unless said, so that it can be started again where it was. */
  listen?: string;
  /** Another release: its `bin/taskejo.js`. */
  program?: string;
};

/** Starts one and answers when it listens; the test's end kills it, frozen or not. */
export async function startReplica({
  databaseUrl,
  env = {},
  listen = '127.0.0.1:0',
  program = taskejoFile,
}: ReplicaOptions): Promise<Replica> {
  const cwd = temporaryFolder();
  const given = { HOME: cwd, DATABASE_URL: databaseUrl, TASKEJO_ADMIN_TOKEN: ADMIN_TOKEN, ...env };
  const child = startProgram(process.execPath, [program, 'serve', '--listen', listen], {
    cwd,
    env: environmentWith(given),
  });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const exited = exitOf(child);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const url = (await firstLine(child)).replace('listening on ', '');
  return { url, log: () => log, signal: (name) => void child.kill(name), exited };
}
