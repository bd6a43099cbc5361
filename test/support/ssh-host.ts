import { createSshHost, type SshHost, type SshHostOptions } from '../../src/executor/ssh/host.ts';
import type { Sshd } from './sshd.ts';

/** What leads to an SSH server on this machine, whichever program it is. */
export type SshServer = Pick<Sshd, 'port' | 'user' | 'privateKey' | 'hostKeyFingerprint'>;

/** Such a server as the host that the program makes of it; close it at the end. */
export function sshHostOf(
  { port, user, privateKey, hostKeyFingerprint }: SshServer,
  more: Partial<SshHostOptions> = {},
): SshHost {
  const hostKeys = [hostKeyFingerprint];
  return createSshHost({ address: '127.0.0.1', port, user, privateKey, hostKeys, installationId: 'suite', ...more });
}

/** Such a server as an entry of `hosts` in the configuration. */
export function hostEntryOf(
  { port, user, privateKeyPath, hostKeyFingerprint }: Omit<SshServer, 'privateKey'> & Pick<Sshd, 'privateKeyPath'>,
  more: { id: string; labels: readonly string[]; capacity?: number },
) {
  const key = { private_key: { file: privateKeyPath }, host_key: hostKeyFingerprint };
  return { address: '127.0.0.1', port, user, ...key, ...more };
}
