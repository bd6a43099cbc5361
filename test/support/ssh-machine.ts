import { createSshHost, type SshHost } from '../../src/executor/ssh/host.ts';
import type { MachineSubject } from '../suites/machine-suite.ts';
import { startSshd } from './sshd.ts';

/** A host over a real OpenSSH server of its own. */
export async function sshSubject(): Promise<MachineSubject> {
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
}
