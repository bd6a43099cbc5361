import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { taskejo } from '../support/command-line.ts';
import { describeIf } from '../support/require.ts';
import { hostEntryOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { temporaryFolder } from '../support/temporary.ts';

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
    expect(good.stdout).toMatch(/^box\n( {2}(ok|warning) +\w+ +.*\n){8}$/);
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
});
