import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { completeLinks, findBinaries } from '../../src/store/embedded/binaries.ts';
import { lockDataDirectory } from '../../src/store/embedded/data-directory.ts';
import { DatabaseStartError } from '../../src/store/embedded/errors.ts';
import { runPostgres } from '../../src/store/embedded/postgres-process.ts';
import { clusterMark, endPreviousServer } from '../../src/store/embedded/previous-server.ts';
import { commandOf } from '../../src/store/embedded/process-command.ts';
import { startEmbedded } from '../../src/store/embedded/start-embedded.ts';
import { noLog } from '../../src/store/log.ts';
import { isAlive, killAll } from '../support/proc.ts';
import { exitOf, firstLine, startProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

describe('the packaged programs', () => {
  test('are found for this platform, and missed by name on another', async () => {
    const { postgres } = await findBinaries();
    expect(spawnSync(postgres, ['--version'], { encoding: 'utf8' }).stdout).toMatch(/PostgreSQL\) 18\./);
    const refusal = findBinaries('plan9-mips');
    await expect(refusal).rejects.toThrow(DatabaseStartError);
    await expect(refusal).rejects.toThrow('no packaged PostgreSQL for plan9-mips; set DATABASE_URL');
  });

  function packageWithLinks(...links: { source: string; target: string }[]): string {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'native', 'lib'), { recursive: true });
    writeFileSync(join(folder, 'native', 'lib', 'libpq.so.5.18'), 'a library');
    writeFileSync(join(folder, 'native', 'pg-symlinks.json'), JSON.stringify(links));
    return folder;
  }

  test('get the links that an install script was not allowed to make', async () => {
    const link = { source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' };
    const folder = packageWithLinks(link);
    await Promise.all([completeLinks(folder), completeLinks(folder)]);
    await completeLinks(folder);
    expect(readFileSync(join(folder, link.target), 'utf8')).toBe('a library');
    expect(lstatSync(join(folder, link.target)).isSymbolicLink()).toBe(true);
  });

  test('that can not be completed are named', async () => {
    const folder = packageWithLinks({ source: 'native/lib/libpq.so.5.18', target: 'native/none/libpq.so.5' });
    await expect(completeLinks(folder)).rejects.toThrow(
      `${join(folder, 'native/none/libpq.so.5')} can't be made; run npm ci`,
    );
  });
});

describe('a program of PostgreSQL', () => {
  const launcher = { prefix: [], ownerId: null, endsWithParent: false };
  const run = (script: string, log = noLog) => runPostgres({ path: '/bin/sh', args: ['-c', script], launcher, log });

  test('that does not heed the first request to stop gets the second', async () => {
    const ready = join(temporaryFolder(), 'ready');
    const running = await run(`trap '' INT TERM; : > ${ready}; while :; do sleep 0.05; done`);
    await waitFor(() => lstatSync(ready, { throwIfNoEntry: false }));
    await running.stop(100);
    expect(await running.exited).toBe('SIGQUIT');
    expect(running.isRunning()).toBe(false);
    killAll([running.pid]);
  });

  test('leaves its last words, and the grave ones in the log', async () => {
    const warned: string[] = [];
    const log = { ...noLog, warn: (_: Record<string, unknown>, message: string) => void warned.push(message) };
    const running = await run('echo one; echo "now FATAL:  two" >&2; exit 3', log);
    expect(await running.exited).toBe('exit code 3');
    expect((await running.lastWords()).split('\n').sort()).toEqual(['now FATAL:  two', 'one']);
    expect(warned).toEqual(['now FATAL:  two']);
  });

  test('does not inherit what would change its behaviour', async () => {
    const running = await run('env');
    await running.exited;
    const environment = await running.lastWords();
    expect(environment).toMatch(/^TZ=UTC$/m);
    expect(environment).not.toMatch(/^(PG|LD_|NODE_OPTIONS|HOME)/m);
  });

  test('that is not there makes the start fail', async () => {
    await expect(runPostgres({ path: '/nowhere/postgres', args: [], launcher, log: noLog })).rejects.toThrow('ENOENT');
  });
});

describe('a process', () => {
  const hasPs = spawnSync('ps', ['--version']).error === undefined;

  test.each([
    ['/proc', process.platform, false],
    ['ps', 'darwin' as const, !hasPs],
  ])('has a command line by %s while it lives, and none afterwards', async (_, platform, isMissing) => {
    if (isMissing) return;
    const child = startProgram('sleep', ['600']);
    const pid = child.pid ?? 0;
    expect(await waitFor(() => commandOf(pid, platform))).toMatch(/^(S\S*\s+)?sleep 600\s*$/);
    child.kill('SIGKILL');
    await waitFor(async () => (await commandOf(pid, platform)) === null);
    const zombie = Number(await firstLine(startProgram('sh', ['-c', 'true & echo $!; exec sleep 600'])));
    await waitFor(async () => (await commandOf(zombie, platform)) === null);
  });
});

describe("a killed server's postmaster.pid", () => {
  test.each(['', 'no number\n'])('that is not whole (%j) is removed', async (text) => {
    const cluster = temporaryFolder();
    const file = join(cluster, 'postmaster.pid');
    writeFileSync(file, text);
    await endPreviousServer(cluster);
    expect(lstatSync(file, { throwIfNoEntry: false })).toBeUndefined();
  });

  test('that is not there is no matter', async () => {
    await expect(endPreviousServer(temporaryFolder())).resolves.toBeUndefined();
  });
});

describe('a database that outlived its server', () => {
  /** To everybody who looks at the list of processes: ours, on that cluster. What it heeds is up to its script. */
  async function orphanThat(ignores: string) {
    const cluster = temporaryFolder();
    const script = `trap '' ${ignores}; echo ready; while :; do sleep 0.05; done`;
    const child = startProgram('sh', ['-c', script, 'postgres', '-D', cluster, '-c', clusterMark]);
    await firstLine(child);
    writeFileSync(join(cluster, 'postmaster.pid'), `${child.pid}\n`);
    return { cluster, child };
  }

  test('is ended at once when it does not end in time', async () => {
    const { cluster, child } = await orphanThat('INT');
    await endPreviousServer(cluster, { patienceMs: 100 });
    expect(await exitOf(child)).toEqual({ code: null, signal: 'SIGQUIT' });
  });

  test('that can not be ended is named', async () => {
    const { cluster, child } = await orphanThat('INT QUIT');
    await expect(endPreviousServer(cluster, { patienceMs: 100 })).rejects.toThrow(
      `pid ${child.pid} that a killed server`,
    );
    expect(isAlive(child.pid ?? 0)).toBe(true);
  });

  test('is not waited for by a start that is given up', async () => {
    const { cluster } = await orphanThat('INT QUIT');
    const signal = AbortSignal.timeout(100);
    await expect(endPreviousServer(cluster, { signal })).rejects.toThrow('aborted');
  });
});

describe('the lock of a data directory', () => {
  test('is held by one, released, and taken again', async () => {
    const dataDir = temporaryFolder();
    const lock = await lockDataDirectory(dataDir);
    await expect(lockDataDirectory(dataDir)).rejects.toThrow(`in use by the taskejo server with pid ${process.pid}.`);
    await lock.release();
    await (await lockDataDirectory(dataDir)).release();
  });

  test("is refused in its new holder's name when the pid of an earlier one still stands there", async () => {
    const dataDir = temporaryFolder();
    const lock = await lockDataDirectory(dataDir);
    const holder = join(dataDir, 'server.pid');
    const ended = spawnSync('true').pid;
    writeFileSync(holder, `${ended}\n`);
    const refusal = lockDataDirectory(dataDir);
    setImmediate(() => writeFileSync(holder, `${process.pid}\n`));
    await expect(refusal).rejects.toThrow(`in use by the taskejo server with pid ${process.pid}.`);
    await lock.release();
  });

  test('says so where it can not be taken', async () => {
    const dataDir = temporaryFolder();
    mkdirSync(join(dataDir, 'server.lock'));
    await expect(lockDataDirectory(dataDir)).rejects.toThrow(/^The data directory .* can't be locked \(/);
  });

  test('is not kept when its holder can not be written down', async () => {
    const dataDir = temporaryFolder();
    mkdirSync(join(dataDir, 'server.pid'));
    for (const _ of [1, 2]) await expect(lockDataDirectory(dataDir)).rejects.toThrow(/can't be written \(E/);
  });
});

describe('a start that fails', () => {
  test('says what PostgreSQL said, leaves nothing running and keeps nobody out', async () => {
    const dataDir = temporaryFolder();
    const refusal = startEmbedded({ dataDir, settings: { shared_buffers: 'plenty' } });
    await expect(refusal).rejects.toThrow(DatabaseStartError);
    await expect(refusal).rejects.toThrow(
      /PostgreSQL doesn't start in .*invalid value for parameter "shared_buffers"/s,
    );
    const server = await startEmbedded({ dataDir });
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
  });

  test('because it was given up beforehand runs nothing', async () => {
    const dataDir = temporaryFolder();
    await expect(startEmbedded({ dataDir, signal: AbortSignal.abort(new Error('given up')) })).rejects.toThrow(
      'given up',
    );
  });
});
