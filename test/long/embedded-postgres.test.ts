import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { findBinaries } from '../../src/store/embedded/binaries.ts';
import { DatabaseStartError } from '../../src/store/embedded/errors.ts';
import { chooseLauncher } from '../../src/store/embedded/launcher.ts';
import { type EmbeddedDatabase, type EmbeddedOptions, startEmbedded } from '../../src/store/embedded/start-embedded.ts';
import { isAlive } from '../support/proc.ts';
import { exitOf, firstLine, startProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const childScript = fileURLToPath(new URL('../support/embedded-child.ts', import.meta.url));
const cluster = await makeCluster();
const nobody = 65534;
const unknownUser = 54_321;
const isRoot = process.getuid?.() === 0;

/** Making the files takes most of a first start, so the tests that are about something else copy these. */
async function makeCluster(): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'taskejo-test-'));
  afterAll(() => rm(dataDir, { recursive: true, force: true }));
  await (await startEmbedded({ dataDir })).stop();
  return join(dataDir, 'postgres');
}

function usedDataDirectory(): string {
  const dataDir = temporaryFolder();
  cpSync(cluster, join(dataDir, 'postgres'), { recursive: true, preserveTimestamps: true });
  chmodSync(join(dataDir, 'postgres'), 0o700);
  return dataDir;
}

async function start(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const server = await startEmbedded(options);
  onTestFinished(() => server.stop());
  return server;
}

async function query<Row extends pg.QueryResultRow>(connectionString: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Another server process on the directory. */
async function startElsewhere(dataDir: string, asUser?: number) {
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', childScript, dataDir];
  const [file = '', ...args] = [...(asUser === undefined ? [] : becoming(asUser)), ...command];
  const child = startProgram(file, args);
  const { connectionString, pid }: { connectionString: string; pid: number } = JSON.parse(await firstLine(child));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await waitFor(() => !isAlive(pid)).catch(() => process.kill(pid, 'SIGQUIT'));
  });
  return { child, connectionString, pid };
}

const becoming = (user: number) => ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'];

/** Root can try what other users meet, if they may read the house. */
function canTryAs(user: number): boolean {
  const [file = '', ...args] = [...becoming(user), 'test', '-r', childScript];
  return isRoot && spawnSync(file, args).status === 0;
}

describe('the embedded database', () => {
  test('is a durable PostgreSQL 18 that only a socket in the data directory reaches', async () => {
    const dataDir = join(temporaryFolder(), 'data');
    const server = await start({ dataDir });
    const names = [
      'listen_addresses',
      'fsync',
      'synchronous_commit',
      'full_page_writes',
      'server_encoding',
      'TimeZone',
    ];
    const shown = names.map((name) => `current_setting('${name}') as "${name}"`);
    expect(await query(server.connectionString, `select ${shown}`)).toEqual([
      {
        listen_addresses: '',
        fsync: 'on',
        synchronous_commit: 'on',
        full_page_writes: 'on',
        server_encoding: 'UTF8',
        TimeZone: 'UTC',
      },
    ]);
    expect(await query(server.connectionString, 'show server_version_num')).toMatchObject([
      { server_version_num: expect.stringMatching(/^18/) },
    ]);
    expect(server.host).toBe(join(dataDir, 'socket'));
    for (const folder of [dataDir, server.host]) expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('keeps its rows from one start to the next', async () => {
    const dataDir = usedDataDirectory();
    const first = await start({ dataDir });
    await query(first.connectionString, 'create table kept as select 7 as n');
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);
    const second = await start({ dataDir });
    expect(await query(second.connectionString, 'select n from kept')).toEqual([{ n: 7 }]);
  });

  test('refuses a second server on its data directory by the pid of the first', async () => {
    const dataDir = usedDataDirectory();
    const { child, connectionString } = await startElsewhere(dataDir);
    const refusal = start({ dataDir });
    await expect(refusal).rejects.toThrow(DatabaseStartError);
    await expect(refusal).rejects.toThrow(`in use by the taskejo server with pid ${child.pid}.`);
    expect(await query(connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('is started by exactly one of three that try at once', async () => {
    const dataDir = temporaryFolder();
    const tries = await Promise.allSettled([start({ dataDir }), start({ dataDir }), start({ dataDir })]);
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const one of tries) {
      if (one.status === 'rejected') expect(String(one.reason)).toContain(`server with pid ${process.pid}.`);
    }
  });

  test('ends by itself when its server is killed', async () => {
    const { child, pid } = await startElsewhere(usedDataDirectory());
    child.kill('SIGKILL');
    await waitFor(() => !isAlive(pid));
  });

  test('starts at once after its server was killed, with every acknowledged row', async () => {
    const dataDir = usedDataDirectory();
    const { child, connectionString, pid } = await startElsewhere(dataDir);
    await query(connectionString, 'create table kept as select generate_series(1, 1000) as n');
    child.kill('SIGKILL');
    await exitOf(child);
    const next = await start({ dataDir });
    expect(isAlive(pid)).toBe(false);
    expect(await query(next.connectionString, 'select count(*)::int as rows from kept')).toEqual([{ rows: 1000 }]);
  });

  test('starts at once after server and database were killed together', async () => {
    const dataDir = usedDataDirectory();
    const { child, connectionString, pid } = await startElsewhere(dataDir);
    await query(connectionString, 'create table kept as select 7 as n');
    process.kill(pid, 'SIGKILL');
    child.kill('SIGKILL');
    const next = await waitFor(() => startEmbedded({ dataDir }).catch(ifLocked));
    onTestFinished(() => next.stop());
    expect(await query(next.connectionString, 'select n from kept')).toEqual([{ n: 7 }]);
  });

  test('says that it is gone when it was killed alone', async () => {
    const server = await start({ dataDir: usedDataDirectory() });
    process.kill(server.pid, 'SIGKILL');
    expect(await server.exited).toBe('SIGKILL');
  });

  test('is made anew after a first start that was killed while it made the files', async () => {
    const dataDir = temporaryFolder();
    mkdirSync(join(dataDir, 'postgres.new', 'base'), { recursive: true });
    const server = await start({ dataDir });
    expect(await query(server.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('leaves nothing running when its start is given up', async () => {
    const dataDir = temporaryFolder();
    const giveUp = new AbortController();
    const under = startEmbedded({ dataDir, signal: giveUp.signal });
    await waitFor(() => existsSync(join(dataDir, 'postgres.new', 'PG_VERSION')));
    giveUp.abort(new Error('given up'));
    await expect(under).rejects.toThrow('given up');
    const server = await start({ dataDir });
    expect(await query(server.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('has its socket in a temporary folder when the path of the data directory is long', async () => {
    const dataDir = join(temporaryFolder(), 'deep'.repeat(20), 'down'.repeat(20));
    const server = await start({ dataDir });
    expect(server.host.startsWith(join(tmpdir(), 'taskejo-'))).toBe(true);
    expect(statSync(server.host).mode & 0o777).toBe(0o700);
    expect(await query(server.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
    await server.stop();
    expect(existsSync(server.host)).toBe(false);
  });

  test.each([
    [
      'below a file',
      () => {
        const file = join(temporaryFolder(), 'file');
        writeFileSync(file, '');
        return join(file, 'data');
      },
    ],
    ['in a read-only file system', () => '/proc/taskejo'],
  ])('says in one sentence that a data directory %s can not be written', async (_, place) => {
    const dataDir = place();
    const refusal = start({ dataDir });
    await expect(refusal).rejects.toThrow(DatabaseStartError);
    await expect(refusal).rejects.toThrow(
      new RegExp(`^The data directory ${dataDir} can't be written \\(E[A-Z]+\\)\\.$`),
    );
  });
});

/** Another process still has the lock: not an answer yet. */
function ifLocked(error: unknown): null {
  if (error instanceof DatabaseStartError && /in use by the taskejo server/.test(error.message)) return null;
  throw error;
}

describe("a killed server's postmaster.pid", () => {
  async function withPostmasterPid(pid: number): Promise<EmbeddedDatabase> {
    const dataDir = usedDataDirectory();
    writeFileSync(join(dataDir, 'postgres', 'postmaster.pid'), `${pid}\n${join(dataDir, 'postgres')}\n1\n5432\n\n\n\n`);
    return start({ dataDir });
  }

  test('that names a zombie does not hinder the start', async () => {
    // The shell's child ends when the shell has become something that never asks after it.
    const zombie = Number(await firstLine(startProgram('sh', ['-c', 'sleep 1 & echo $!; exec sleep 600'])));
    await waitFor(() => /\) Z/.test(readFileSync(`/proc/${zombie}/stat`, 'utf8')));
    const server = await withPostmasterPid(zombie);
    expect(await query(server.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test("that names somebody else's process does not hinder the start, nor harm the process", async () => {
    const stranger = startProgram('sleep', ['600']);
    const server = await withPostmasterPid(stranger.pid ?? 0);
    expect(await query(server.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
    expect(isAlive(stranger.pid ?? 0)).toBe(true);
  });

  test('that names the database which outlived its server makes the start end that one', async () => {
    const dataDir = usedDataDirectory();
    const orphan = await startUnguarded(dataDir, 'cluster_name=taskejo');
    const server = await start({ dataDir });
    expect(isAlive(orphan)).toBe(false);
    expect(await query(server.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('that names a PostgreSQL which an operator started makes the start refuse', async () => {
    const dataDir = usedDataDirectory();
    const foreign = await startUnguarded(dataDir, 'cluster_name=maintenance');
    await expect(start({ dataDir })).rejects.toThrow(`in use by a PostgreSQL with pid ${foreign} that taskejo didn't`);
    expect(isAlive(foreign)).toBe(true);
  });

  async function startUnguarded(dataDir: string, mark: string): Promise<number> {
    const binaries = await findBinaries();
    const { prefix } = await chooseLauncher({ binaries, dataDir });
    const cluster = join(dataDir, 'postgres');
    const settings = [mark, 'listen_addresses=', `unix_socket_directories=${dataDir}`].flatMap((pair) => ['-c', pair]);
    const [file = '', ...args] = [...prefix.slice(0, prefix.lastIndexOf('setpriv')), binaries.postgres];
    const child = startProgram(file, [...args, '-D', cluster, ...settings]);
    await waitFor(() => /ready/.test(readFileSync(join(cluster, 'postmaster.pid'), 'utf8')));
    return child.pid ?? 0;
  }
});

describe('without what a machine usually offers', () => {
  test.skipIf(!canTryAs(unknownUser))('it runs for a user who has no name, as containers do', async () => {
    const dataDir = temporaryFolder();
    chownSync(dataDir, unknownUser, unknownUser);
    const { connectionString, pid } = await startElsewhere(dataDir, unknownUser);
    expect(await query(connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
    expect(statSync(`/proc/${pid}`).uid).toBe(unknownUser);
  });

  test.skipIf(!canTryAs(nobody))('root runs it as nobody if it has no user namespaces', async () => {
    const dataDir = join(tmpdir(), `taskejo-test-nobody-${process.pid}`);
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const server = await start({ dataDir, canRun: async ([program]) => program !== 'unshare' });
    expect(statSync(`/proc/${server.pid}`).uid).toBe(nobody);
    expect(await query(server.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('a shell ends it when its server is killed', async () => {
    const script = new URL('../support/watched-child.ts', import.meta.url);
    const child = startProgram(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(script)]);
    const pid = Number(await firstLine(child));
    expect(isAlive(pid)).toBe(true);
    child.kill('SIGKILL');
    await waitFor(() => !isAlive(pid));
  });
});
