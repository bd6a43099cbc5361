import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sshBanner, trySshHost } from '../../../src/demo/ssh-client.ts';
import { startSshd } from '../../../src/demo/sshd.ts';
import { describeIf } from '../../support/require.ts';
import { temporaryFolder } from '../../support/temporary.ts';

describeIf('sshd', "the demo's sshd", (program) => {
  test('lets its own key in, goes away and comes back on the same port', async () => {
    const folder = realpathSync(temporaryFolder());
    const home = join(folder, 'home');
    mkdirSync(home);
    const { signal } = new AbortController();
    const host = await startSshd({ program, folder, home, logFile: join(folder, 'log'), signal });
    onTestFinished(() => host.stop());
    expect(host.description).toMatch(/^OpenSSH/);
    await trySshHost(host);
    await host.vanish();
    await expect(sshBanner(host.port)).rejects.toThrow('ECONNREFUSED');
    await host.comeBack();
    await trySshHost(host);
  });

  test('says why it could not be started', async () => {
    const folder = temporaryFolder();
    const options = { program: '/bin/false', folder, home: folder, logFile: join(folder, 'log') };
    const start = startSshd({ ...options, signal: new AbortController().signal });
    await expect(start).rejects.toThrow('sshd could not be started: it ended with exit code 1');
  });
});
