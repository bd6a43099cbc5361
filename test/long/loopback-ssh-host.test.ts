import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startLoopbackSshHost } from '../../src/demo/ssh-host.ts';
import { makeKey } from '../../src/demo/ssh-keys.ts';
import type { SshHost } from '../../src/executor/ssh/host.ts';
import { machineSuite } from '../suites/machine-suite.ts';
import { killProcessesIn } from '../support/proc.ts';
import { sshHostOf } from '../support/ssh-host.ts';
import { temporaryFolder } from '../support/temporary.ts';

machineSuite('a host served on loopback where there is no sshd', async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-loopback-')));
  const server = await startLoopbackSshHost({ home });
  const hosts: SshHost[] = [];
  return {
    home,
    machine: () => {
      const host = sshHostOf(server);
      hosts.push(host);
      return host.machine;
    },
    disconnect: async () => server.cut(),
    stop: async () => {
      for (const host of hosts) host.close();
      await server.stop();
      killProcessesIn(home);
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
});

test('a loopback host that was stopped comes back under the same address and key, and knows no stranger', async () => {
  const home = temporaryFolder();
  const server = await startLoopbackSshHost({ home });
  const hostWith = (privateKey: string) => {
    const host = sshHostOf(server, { privateKey });
    onTestFinished(() => host.close());
    return host.machine;
  };
  onTestFinished(() => server.stop());
  const { signal } = new AbortController();
  const machine = hostWith(server.privateKey);
  const before = await machine.ping(signal);
  await server.pause();
  await expect(machine.ping(signal)).rejects.toMatchObject({ kind: 'unreachable' });
  await server.resume();
  expect(await machine.ping(signal)).toEqual(before);
  const stranger = makeKey().private;
  await expect(hostWith(stranger).ping(signal)).rejects.toMatchObject({ kind: 'auth' });
});
