import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { taskejoFile } from './command-line.ts';
import { environmentWith, exitOf, firstLine } from './programs.ts';
import { cloneDatabase } from './test-server.ts';

export type ServerProcess = {
  url: string;
  adminToken: string;
  databaseUrl: string;
  dataDir: string;
  /** A JSON request with the admin token, unless another is given; throws for any answer but 2xx. */
  api<T>(method: string, path: string, body?: unknown, token?: string): Promise<T>;
  /** Kills it, and starts it again where it was. */
  killAndRestart(): Promise<void>;
  /** What it has logged so far, of all its starts. */
  log(): string;
  stop(): Promise<void>;
};

/** A real server in a process of its own, on a database of its own: with `embedded` one that dies with it. */
export async function startServerProcess(
  env: Record<string, string> = {},
  { embedded = false } = {},
): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'taskejo-serve-'));
  const databaseUrl = embedded
    ? `postgresql://taskejo@/taskejo?host=${encodeURIComponent(join(folder, 'data', 'socket'))}`
    : await cloneDatabase(inject('testServer'), false);
  const database = embedded ? {} : { DATABASE_URL: databaseUrl };
  const adminToken = 'an-admin-token-of-thirty-two-characters';
  let logged = '';
  const start = (listen: string): ChildProcess => {
    const started = spawn(
      process.execPath,
      [taskejoFile, 'serve', '--listen', listen, '--data-dir', join(folder, 'data')],
      {
        cwd: folder,
        env: environmentWith({ TASKEJO_ADMIN_TOKEN: adminToken, ...database, ...env }),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    started.stderr?.on('data', (text: Buffer) => {
      logged += text.toString();
    });
    return started;
  };
  let child = start('127.0.0.1:0');
  const url = (await firstLine(child)).replace('listening on ', '');
  return {
    url,
    adminToken,
    databaseUrl,
    log: () => logged,
    dataDir: join(folder, 'data'),
    async api<T>(method: string, path: string, body?: unknown, token = adminToken): Promise<T> {
      const isBytes = body instanceof Uint8Array;
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': isBytes ? 'application/octet-stream' : 'application/json',
      };
      const payload = body === undefined ? null : isBytes ? Buffer.from(body) : JSON.stringify(body);
      const response = await fetch(`${url}${path}`, { method, headers, body: payload });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return (text === '' ? null : JSON.parse(text)) as T;
    },
    async killAndRestart() {
      child.kill('SIGKILL');
      await exitOf(child);
      child = start(new URL(url).host);
      await firstLine(child);
    },
    async stop() {
      child.kill('SIGTERM');
      await exitOf(child);
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
