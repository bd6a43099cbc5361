import { lstat, mkdir, mkdtemp, open, readlink, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { noLog, type StoreLog } from '../log.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { lockDataDirectory, prepareDataDirectory } from './data-directory.ts';
import { DatabaseStartError, errorCode } from './errors.ts';
import { type CanRun, chooseLauncher, giveTo, type Launcher } from './launcher.ts';
import { type PostgresProcess, runPostgres } from './postgres-process.ts';
import { clusterMark, endPreviousServer } from './previous-server.ts';

export type EmbeddedOptions = {
  /** Made if absent; holds the cluster, its socket and the lock. */
  dataDir: string;
  log?: StoreLog;
  /** Ends a start that is under way; stopping a started one is `stop`'s. */
  signal?: AbortSignal;
  /** PostgreSQL settings over the durable defaults: tests give up fsync for speed. */
  settings?: Record<string, string>;
  /** What this machine offers is found by trying; a test takes some of it away. */
  canRun?: CanRun;
};

export type EmbeddedDatabase = {
  /** The folder of its Unix socket; there is no port and no password. */
  host: string;
  user: string;
  database: string;
  connectionString: string;
  pid: number;
  /** Resolves when PostgreSQL is gone, asked for or not, with how it ended. */
  exited: Promise<string>;
  stop(): Promise<void>;
};

type Place = { binaries: Binaries; launcher: Launcher; cluster: string; socket: string; log: StoreLog };

const user = 'taskejo';
const database = 'taskejo';
// sockaddr_un has 104 bytes on macOS, 108 on Linux; the file's own name takes 20 of them.
const longestSocketFolder = 80;

const durableSettings: Record<string, string> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '100',
  fsync: 'on',
  synchronous_commit: 'on',
  autovacuum_naptime: '10s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  jit: 'off',
  // In the data directory: a killed server leaves nothing elsewhere, and containers have little in /dev/shm.
  dynamic_shared_memory_type: 'mmap',
  // Below this level stand refused statements, with the rows that they were about.
  log_min_messages: 'log',
};

/**
 * Starts the packaged PostgreSQL on a data directory and answers when it takes connections. It is durable, reachable
 * through a Unix socket alone, and ends with this process even when that is killed. Throws {@link DatabaseStartError}
 * with one sentence: directory not writable or in use by another server, no way to run here.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const { log = noLog, signal = new AbortController().signal } = options;
  const dataDir = resolve(options.dataDir);
  await prepareDataDirectory(dataDir);
  const lock = await lockDataDirectory(dataDir);
  try {
    const binaries = await findBinaries();
    const launcher = await chooseLauncher({ binaries, dataDir, canRun: options.canRun });
    const cluster = join(dataDir, 'postgres');
    await endPreviousServer(cluster, { log, signal });
    const socket = await makeSocketFolder(dataDir, launcher);
    const place = { binaries, launcher, cluster, socket, log };
    await makeCluster(place, signal);
    const server = await startServer(place, { ...durableSettings, ...options.settings }, signal);
    return describe(server, socket, async () => {
      await server.stop();
      await removeSocketFolder(dataDir);
      await lock.release();
    });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function describe(server: PostgresProcess, socket: string, stop: () => Promise<void>): EmbeddedDatabase {
  let stopped: Promise<void> | undefined;
  return {
    host: socket,
    user,
    database,
    connectionString: `postgresql://${user}@/${database}?host=${encodeURIComponent(socket)}`,
    pid: server.pid,
    exited: server.exited,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** A Unix socket's path is short by law of the kernel, so a deep data directory only links to a temporary folder. */
async function makeSocketFolder(dataDir: string, launcher: Launcher): Promise<string> {
  await removeSocketFolder(dataDir);
  const folder = join(dataDir, 'socket');
  if (Buffer.byteLength(folder) <= longestSocketFolder) {
    await mkdir(folder, { mode: 0o700 });
    await giveTo(launcher, folder);
    return folder;
  }
  const short = await mkdtemp(join(tmpdir(), 'taskejo-'));
  await symlink(short, folder);
  await giveTo(launcher, short);
  return short;
}

async function removeSocketFolder(dataDir: string): Promise<void> {
  const folder = join(dataDir, 'socket');
  const entry = await lstat(folder).catch(() => null);
  if (entry?.isSymbolicLink()) {
    const short = await readlink(folder);
    if (dirname(short) === tmpdir()) await rm(short, { recursive: true, force: true });
  }
  await rm(folder, { recursive: true, force: true });
}

/** A cluster appears whole or not at all: a start that was killed in the middle leaves only a draft. */
async function makeCluster({ binaries, launcher, cluster, log }: Place, signal: AbortSignal): Promise<void> {
  if ((await lstat(cluster).catch(() => null)) !== null) return;
  const draft = `${cluster}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await giveTo(launcher, draft);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const args = ['-D', draft, '-U', user, '--auth=trust', '--no-instructions', ...locale];
  const initdb = await runPostgres({ path: binaries.initdb, args, launcher, log });
  const end = await unlessAborted(initdb, signal);
  if (end !== 'exit code 0') {
    const reason = `${await initdb.lastWords()} ${end}`;
    throw new DatabaseStartError(`The database's files can't be made in ${cluster} (${reason}).`);
  }
  await rename(draft, cluster);
  await syncFolder(dirname(cluster));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync();
  await folder.close();
}

async function unlessAborted(running: PostgresProcess, signal: AbortSignal): Promise<string> {
  const onAbort = () => void running.stop();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const end = await running.exited;
  signal.removeEventListener('abort', onAbort);
  signal.throwIfAborted();
  return end;
}

async function startServer(
  place: Place,
  settings: Record<string, string>,
  signal: AbortSignal,
): Promise<PostgresProcess> {
  const { binaries, launcher, cluster, socket, log } = place;
  const pairs = Object.entries({ ...settings, unix_socket_directories: socket }).map(
    ([name, value]) => `${name}=${value}`,
  );
  const args = ['-D', cluster, ...[clusterMark, ...pairs].flatMap((pair) => ['-c', pair])];
  // The children of a killed server need a moment to leave the memory that they shared.
  const deadline = Date.now() + 10_000;
  for (;;) {
    const server = await runPostgres({ path: binaries.postgres, args, launcher, log });
    if (await becomesReady(server, socket, signal)) return server;
    const reason = await server.lastWords();
    if (!/still in use|postmaster\.pid/.test(reason) || Date.now() > deadline) {
      throw new DatabaseStartError(`PostgreSQL doesn't start in ${cluster} (${reason}).`);
    }
    await delay(200, undefined, { signal });
  }
}

/** False when the server ended instead. Recovery after a crash takes the time that it takes. */
async function becomesReady(server: PostgresProcess, socket: string, signal: AbortSignal): Promise<boolean> {
  try {
    while (server.isRunning()) {
      signal.throwIfAborted();
      if (await answers(socket)) return true;
      await delay(20, undefined, { signal });
    }
    return false;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function answers(socket: string): Promise<boolean> {
  const client = new pg.Client({ host: socket, user, database: 'postgres', connectionTimeoutMillis: 5_000 });
  client.on('error', () => {}); // the query that it hits fails with the same one
  try {
    await client.connect();
  } catch {
    return false;
  }
  try {
    await client.query(`create database ${database}`);
  } catch (error) {
    const exists = '42P04';
    if (errorCode(error) !== exists)
      throw new DatabaseStartError(`The database can't be made (${error}).`, { cause: error });
  } finally {
    await client.end();
  }
  return true;
}
