import { createSshHost, type SshHost } from '../../../src/executor/ssh/host.ts';
import { runAttemptSuite } from '../../suites/run-attempt-suite.ts';
import { describeIf } from '../../support/require.ts';
import { startSshd } from '../../support/sshd.ts';

describeIf('sshd', 'over OpenSSH', () => {
  runAttemptSuite('a host', async () => {
    const sshd = await startSshd();
    const hosts: SshHost[] = [];
    return {
      home: sshd.home,
      machine: () => {
        const host = createSshHost({
          address: '127.0.0.1',
          port: sshd.port,
          user: sshd.user,
          privateKey: sshd.privateKey,
          hostKeys: [sshd.hostKeyFingerprint],
          installationId: 'suite',
        });
        hosts.push(host);
        return host.machine;
      },
      disconnect: async () => void sshd.killSessions(),
      stop: async () => {
        for (const host of hosts) host.close();
        await sshd.stop();
      },
    };
  });
});
