import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Check, preflight, type Wanted } from '../../../src/executor/preflight.ts';
import type { SshHost } from '../../../src/executor/ssh/host.ts';
import { killProcessesIn } from '../../support/proc.ts';
import { describeIf } from '../../support/require.ts';
import { sshHostOf } from '../../support/ssh-host.ts';
import { type Sshd, type SshdOptions, startSshd } from '../../support/sshd.ts';
import { temporaryFolder } from '../../support/temporary.ts';

describeIf('sshd', 'the preflight of a host', () => {
  let sshd: Sshd;
  const begin = async (options: SshdOptions = {}) => {
    sshd = await startSshd(options);
  };
  beforeEach(() => begin());
  afterEach(() => sshd.stop());

  type How = { wanted?: Partial<Wanted>; wrap?: (host: SshHost) => SshHost; aheadMs?: number; hostKeys?: string[] };
  const run = async ({ wanted = {}, wrap = (host) => host, aheadMs = 0, ...how }: How = {}) => {
    const told: Check[] = [];
    const checks = await preflight(
      {
        open: (installationId) => wrap(sshHostOf(sshd, { installationId, ...how })),
        wanted: { programs: [], labels: [], limits: false, ...wanted },
        tell: (check) => told.push(check),
        epochMs: () => Date.now() - aheadMs,
      },
      AbortSignal.timeout(60_000),
    );
    expect(told).toEqual(checks);
    return checks;
  };
  const failed = (checks: readonly Check[]) => checks.filter(({ status }) => status === 'failed');
  const of = (checks: readonly Check[], name: string) => checks.find((check) => check.name === name);

  test('finds nothing wrong with a good one, and leaves nothing there but the wrapper', async () => {
    await writeFile(join(sshd.home, '.rc'), 'umask 002\n');
    const checks = await run({ wanted: { programs: ['sh', '/bin/sh'], labels: ['linux', 'sh'] } });
    expect(failed(checks)).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual(
      'connection shell home space clock programs kill_user_processes run'.split(' '),
    );
    expect(of(checks, 'programs')).toMatchObject({ status: 'ok' });
    const [wrapper = '', ...others] = await readdir(join(sshd.home, '.taskejo'));
    expect([wrapper, others]).toEqual([expect.stringMatching(/^w-\w+\.sh$/), []]);
    for (const name of ['.', wrapper]) expect((await stat(join(sshd.home, '.taskejo', name))).mode & 0o077).toBe(0);
  });

  test('tells which limits the host can keep, and leaves nothing of what it tried', async () => {
    const checks = await run({ wanted: { limits: true } });
    expect(failed(checks)).toEqual([]);
    const { message } = of(checks, 'limits') ?? { message: '' };
    expect(message).toMatch(/can keep .*file_size_bytes/);
    for (const name of ['cpu_percent', 'memory_bytes', 'processes']) expect(message).toContain(name);
    expect(await readdir(join(sshd.home, '.taskejo'))).toEqual([expect.stringMatching(/^w-\w+\.sh$/)]);
  });

  test('names a program that is missing, and a label that names none', async () => {
    const nasty = "no'such $(touch pwned)";
    const missing = await run({ wanted: { programs: ['sh', nasty], labels: [] } });
    expect(failed(missing)).toEqual([{ name: 'programs', status: 'failed', message: `not found: ${nasty}` }]);
    expect(await readdir(sshd.home)).toEqual(['.taskejo']);
    expect(of(await run({ wanted: { labels: ['sh', 'gpu'] } }), 'programs')).toEqual({
      name: 'programs',
      status: 'warning',
      message: 'labels that name no program there: gpu',
    });
  });

  test('says that the home cannot be written, and starts nothing there', async () => {
    await writeFile(join(sshd.home, '.taskejo'), 'in the way');
    const checks = await run();
    expect(failed(checks)).toEqual([{ name: 'home', status: 'failed', message: expect.stringContaining('.taskejo') }]);
    expect(of(checks, 'run')).toBeUndefined();
  });

  test('says that the shell prints something of its own', async () => {
    await writeFile(join(sshd.home, '.rc'), 'echo good morning');
    expect(await run()).toEqual([
      { name: 'shell', status: 'failed', message: expect.stringContaining('good morning') },
    ]);
  });

  test('says that another key is shown, that nobody is let in, and that nobody is there', async () => {
    const other = `SHA256:${'A'.repeat(43)}`;
    const connection = (words: string) => [
      { name: 'connection', status: 'failed', message: expect.stringContaining(words) },
    ];
    expect(await run({ hostKeys: [other] })).toEqual(connection(other));
    await writeFile(join(sshd.home, '..', 'authorized_keys'), '');
    expect(await run()).toEqual(connection('refused'));
    await sshd.kill();
    expect(await run()).toEqual(connection('ECONNREFUSED'));
  });

  test('says how wrong the clock is', async () => {
    expect(of(await run({ aheadMs: 3_600_000 }), 'clock')).toMatchObject({
      status: 'warning',
      message: expect.stringMatching(/^it is 3[56]\d\d s ahead$/),
    });
  });

  test('says that what runs ends with the connection: by what logind says, and by what becomes of a command', async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin', 'loginctl'), '#!/bin/sh\n[ "$3" = KillUserProcesses ] && echo $3=yes\n');
    await chmod(join(folder, 'bin', 'loginctl'), 0o755);
    await sshd.stop();
    await begin({ environment: { PATH: `${join(folder, 'bin')}:${process.env.PATH}` } });
    const wrap = (host: SshHost): SshHost => ({
      ...host,
      close() {
        host.close();
        killProcessesIn(sshd.home);
      },
    });
    expect(failed(await run({ wrap }))).toEqual([
      { name: 'kill_user_processes', status: 'failed', message: expect.stringContaining('KillExcludeUsers=') },
      { name: 'run', status: 'failed', message: 'a command did not go on without a connection: vanished' },
    ]);
  });
});
