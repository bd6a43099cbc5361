import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLoopbackSshHost } from '../../../src/demo/ssh-host.ts';
import { createSshHost, type SshHost } from '../../../src/executor/ssh/host.ts';
import { machineSuite } from '../../suites/machine-suite.ts';
import { killProcessesIn } from '../../support/proc.ts';

machineSuite('a host served on loopback where there is no sshd', async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-loopback-')));
  const server = await startLoopbackSshHost({ home });
  const hosts: SshHost[] = [];
  return {
    home,
    machine: () => {
      const host = createSshHost({
        address: '127.0.0.1',
        port: server.port,
        user: server.user,
        privateKey: server.privateKey,
        hostKeys: [server.hostKeyFingerprint],
        installationId: 'suite',
      });
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
