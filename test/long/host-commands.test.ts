import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { taskejo, taskejoFile } from '../support/command-line.ts';
import { environmentWith } from '../support/programs.ts';
import { describeIf } from '../support/require.ts';
import { startServerProcess } from '../support/serve.ts';
import { hostEntryOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

describeIf('sshd', 'hosts from the command line', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());

  const configured = (what: object): string => {
    const file = join(temporaryFolder(), 'taskejo.yaml');
    writeFileSync(file, JSON.stringify(what), { mode: 0o600 });
    return file;
  };
  const entry = (id: string, labels: string[] = []) => hostEntryOf(sshd, { id, labels });

  test('are checked, for people and for programs, and the exit code tells whether tasks can run there', async () => {
    const away = { ...entry('away'), port: 1 };
    const file = configured({
      hosts: [entry('box', ['linux']), away],
      templates: [{ name: 'build', command: ['sh', '-c', 'true'], requires: ['linux'] }],
    });
    const good = await taskejo(['agents', 'check', 'box', '--config', file]);
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toMatch(/^box\n( {2}(ok|warning) +\w+ +.*\n){9}$/);
    expect(good.stdout).toMatch(/ok +programs +found: sh/);
    const both = await taskejo(['agents', 'check', '--config', file, '--json']);
    expect(both).toMatchObject({ code: 1, stderr: 'taskejo: no tasks can run on away\n' });
    expect(JSON.parse(both.stdout)).toMatchObject({
      hosts: [
        { id: 'box', ok: true },
        { id: 'away', ok: false, checks: [{ name: 'connection', status: 'failed' }] },
      ],
    });
    const unknown = await taskejo(['agents', 'check', 'nobody', '--config', file]);
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no host nobody') });
  });

  test.each([
    ['ended by Ctrl-C', (child: ChildProcess) => void child.kill('SIGINT')],
    ['whose words nobody reads to the end', (child: ChildProcess) => void child.stderr?.destroy()],
  ])('leave nothing beside the file when the command is %s', async (_, end) => {
    const file = configured({});
    writeFileSync(join(sshd.home, '.rc'), 'until [ -f go ]; do sleep 0.1; done\n');
    onTestFinished(() => {
      for (const name of ['.rc', 'go']) rmSync(join(sshd.home, name), { force: true });
    });
    const target = `${sshd.user}@127.0.0.1:${sshd.port}`;
    const how = ['--id', 'box', '--private-key', sshd.privateKeyPath, '--host-key', sshd.hostKeyFingerprint];
    const args = [taskejoFile, 'hosts', 'add', target, ...how, '--config', file, '--no-run'];
    const child = spawn(process.execPath, args, { env: environmentWith({}), stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await waitFor(() => existsSync(`${file}.new`));
    end(child);
    writeFileSync(join(sshd.home, 'go'), '');
    await ended;
    expect(existsSync(`${file}.new`)).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe('{}');
  });

  test('are added while the server runs, and taken away; the rest of the file stays as it was', async () => {
    const file = join(temporaryFolder(), 'taskejo.yaml');
    const before = `# ours\nlog: {level: info}   # chatty\nssh: {probe_seconds: 1}\n`;
    writeFileSync(file, before, { mode: 0o600 });
    const server = await startServerProcess({ TASKEJO_CONFIG: file });
    onTestFinished(() => server.stop());
    const env = { TASKEJO_URL: server.url, TASKEJO_TOKEN: server.adminToken, TASKEJO_CONFIG: file };
    const hosts = (args: string[], input = '') =>
      taskejo(['hosts', ...args, '--data-dir', server.dataDir], { env, input });
    const target = `${sshd.user}@127.0.0.1:${sshd.port}`;
    const how = ['--id', 'box', '--private-key', sshd.privateKeyPath, '--label', 'linux'];

    const refused = await hosts(['add', target, ...how], 'no\n');
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(sshd.hostKeyFingerprint) });
    const other = await hosts(['add', target, ...how, '--host-key', `SHA256:${'A'.repeat(43)}`]);
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('not SHA256:AAAA') });
    const badKey = await hosts(['add', target, '--id', 'box', '--private-key', file], 'yes\n');
    expect(badKey).toMatchObject({ code: 2, stderr: expect.stringContaining('private_key') });
    expect(readFileSync(file, 'utf8')).toBe(before);

    const added = await hosts(['add', target, ...how], 'yes\n');
    expect(added).toMatchObject({ code: 0, stdout: 'box\n' });
    expect(added.stderr).toMatch(/ok +run +a command went on/);
    expect(added.stderr).toContain('its first task is completed');
    expect(readFileSync(file, 'utf8')).toMatch(
      new RegExp(`^${before.replaceAll(/[{}]/g, '\\$&')}hosts:\n  - id: box\n`),
    );
    expect(await hosts(['add', target, ...how])).toMatchObject({ code: 2, stderr: expect.stringContaining('already') });
    const list = await taskejo(['hosts', 'list'], { env });
    expect(list.stdout).toMatch(/^box +\S+@127\.0\.0\.1:\d+ +- +3 +linux$/m);

    const removed = await hosts(['remove', 'box']);
    expect(removed).toMatchObject({ code: 0, stdout: expect.stringContaining('the server was told') });
    expect(readFileSync(file, 'utf8')).toBe(`${before}hosts: []\n`);
    await waitFor(async () => {
      const { items } = await server.api<{ items: unknown[] }>('GET', '/api/v1/agents');
      return items.length === 0;
    });
    expect(await hosts(['remove', 'box'])).toMatchObject({ code: 2 });
  });

  test('are taken away also where their own entry is what is wrong with the file', async () => {
    const broken = { ...entry('broken'), private_key: { env: 'NOT_SET' } };
    const file = configured({ hosts: [entry('box'), broken] });
    const nobody = await taskejo(['hosts', 'remove', 'nobody', '--config', file]);
    expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no host nobody') });
    expect((await taskejo(['hosts', 'list', '--config', file])).stderr).toContain('NOT_SET');
    const other = await taskejo(['hosts', 'remove', 'box', '--config', file]);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('NOT_SET') });
    expect(await taskejo(['hosts', 'remove', 'broken', '--config', file])).toMatchObject({ code: 0 });
    expect((await taskejo(['hosts', 'list', '--config', file])).stdout).toMatch(/box/);
  });

  test('are added without a server, behind one another, to a file that is not there yet', async () => {
    const file = join(temporaryFolder(), 'taskejo.yaml');
    const hosts = (...args: string[]) => taskejo(['hosts', ...args, '--config', file], { input: 'yes\n' });
    const behind = await startSshd();
    onTestFinished(() => behind.stop());
    const target = ({ user, port }: Sshd) => `${user}@127.0.0.1:${port}`;
    const jump = await hosts('add', target(sshd), '--id', 'gate', '--private-key', sshd.privateKeyPath);
    expect(jump).toMatchObject({ code: 0, stdout: 'gate\n', stderr: expect.stringContaining('no server was found') });
    const added = await hosts(
      ...['add', target(behind), '--id', 'inner', '--private-key', behind.privateKeyPath, '--jump', 'gate', '--json'],
    );
    expect(added.code).toBe(0);
    expect(JSON.parse(added.stdout)).toMatchObject({ id: 'inner', host_key: behind.hostKeyFingerprint, told: false });
    expect((await hosts('list')).stdout).toMatch(/^inner +\S+ +gate /m);
    const inUse = await hosts('remove', 'gate');
    expect(inUse).toMatchObject({ code: 2, stderr: expect.stringContaining('gate') });
    expect((await hosts('list')).stdout).toContain('gate');
    const nothing = await hosts('add', target(behind), '--id', 'other');
    expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('--private-key') });
  });
});
