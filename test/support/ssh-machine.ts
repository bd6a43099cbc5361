import type { SshHost } from '../../src/executor/ssh/host.ts';
import type { MachineSubject } from '../suites/machine-suite.ts';
import { sshHostOf } from './ssh-host.ts';
import { startSshd } from './sshd.ts';

/** A host over a real OpenSSH server of its own. */
export async function sshSubject(): Promise<MachineSubject> {
  const sshd = await startSshd();
  const hosts: SshHost[] = [];
  return {
    home: sshd.home,
    machine: () => {
      const host = sshHostOf(sshd);
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
