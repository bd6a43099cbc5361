import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { findBinaries } from '../../src/store/embedded/binaries.ts';
import { chooseLauncher, giveTo } from '../../src/store/embedded/launcher.ts';
import { runPostgres } from '../../src/store/embedded/postgres-process.ts';
import { noLog as log } from '../../src/store/log.ts';

const exec = promisify(execFile);
const USER = 'taskejo';

/** As durable as in use. Statistics and vacuum come as often as on the database that Taskejo starts by itself. */
const SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  shared_buffers: '512MB',
  max_wal_size: '4GB',
  max_connections: '200',
  autovacuum_naptime: '10s',
  listen_addresses: '',
};

export type Postgres = {
  pid: number;
  version: string;
  /** The folder of its socket, for programs that take it as their host. */
  socket: string;
  /** Null: there is none beside this server. */
  pgbench: string | null;
  url(database: string): string;
  query<T extends pg.QueryResultRow>(database: string, text: string, values?: unknown[]): Promise<T[]>;
  /** Makes a database, empty or as a copy of one that nobody uses just now. */
  create(database: string, template?: string): Promise<void>;
  drop(database: string): Promise<void>;
  stop(): Promise<void>;
};

/** Debian's PostgreSQL 15 or newer with its pgbench, else the packaged one, which has none. */
async function findPrograms(): Promise<{ directory: string; pgbench: string | null }> {
  const [debian] = globSync('/usr/lib/postgresql/{15,16,17,18}/bin/pgbench').toSorted();
  if (debian !== undefined) return { directory: join(debian, '..'), pgbench: debian };
  const { directory } = await findBinaries();
  return { directory: join(directory, 'native', 'bin'), pgbench: null };
}

/** One PostgreSQL for all contestants, on the same cores as they, in a folder of its own. */
export async function startPostgres(folder: string, pinning: readonly string[]): Promise<Postgres> {
  const { directory, pgbench } = await findPrograms();
  const [initdb, postgres] = [join(directory, 'initdb'), join(directory, 'postgres')];
  const launcher = await chooseLauncher({ binaries: { directory, initdb, postgres }, dataDir: folder });
  const [cluster, socket] = [join(folder, 'cluster'), join(folder, 's')];
  for (const path of [cluster, socket]) {
    await mkdir(path, { mode: 0o700 });
    await giveTo(launcher, path);
  }
  const [program = initdb, ...prefix] = [...launcher.prefix, initdb];
  await exec(program, [...prefix, '-D', cluster, '-U', USER, '--auth=trust', '--encoding=UTF8', '--locale=C']);
  const settings = { ...SETTINGS, unix_socket_directories: socket };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const pinned = { ...launcher, prefix: [...pinning, ...launcher.prefix] };
  const server = await runPostgres({ path: postgres, args: ['-D', cluster, ...args], launcher: pinned, log });
  const at = describe(socket);
  for (;;) {
    const rows = await at
      .query<{ v: string }>('postgres', "select current_setting('server_version') as v")
      .catch(() => []);
    if (rows[0] !== undefined)
      return { ...at, pid: server.pid, version: rows[0].v, pgbench, stop: () => server.stop(5_000) };
    if (!server.isRunning()) throw new Error(`PostgreSQL doesn't start: ${await server.lastWords()}`);
    await delay(50);
  }
}

function describe(socket: string): Omit<Postgres, 'pid' | 'version' | 'pgbench' | 'stop'> {
  const url = (database: string) => `postgresql://${USER}@/${database}?host=${encodeURIComponent(socket)}`;
  const query: Postgres['query'] = async (database, text, values) => {
    const client = new pg.Client({ connectionString: url(database) });
    await client.connect();
    try {
      return (await client.query(text, values)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    socket,
    url,
    query,
    create: async (database, template = 'template1') =>
      void (await query('postgres', `create database ${database} template ${template} strategy file_copy`)),
    drop: async (database) => void (await query('postgres', `drop database if exists ${database} with (force)`)),
  };
}
