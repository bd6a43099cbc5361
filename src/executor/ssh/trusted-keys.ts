import { readFile } from 'node:fs/promises';
import { MachineError } from '../machine.ts';
import type { Address } from './connect.ts';
import { type PinnedHostKeys, pinHostKeys, pinned } from './host-key.ts';
import { findKnownHost } from './known-hosts.ts';

/** Keys as `SHA256:…` or full key lines, or a `known_hosts` file. */
export type HostKeys = readonly string[] | { knownHosts: string };

/**
 * The keys that a host may show. A `known_hosts` file is read each time, so that what is put right there counts without
 * a restart. Throws {@link MachineError} `configuration` at once for keys that can't be read.
 */
export function trustedKeys(hostKeys: HostKeys, to: Address): () => Promise<PinnedHostKeys> {
  if ('knownHosts' in hostKeys) return () => readKnownHosts(hostKeys.knownHosts, to);
  const keys = pinHostKeys(hostKeys);
  return async () => keys;
}

async function readKnownHosts(path: string, { address, port }: Address): Promise<PinnedHostKeys> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new MachineError('host_key', `the known_hosts file can't be read: ${error.message}`);
  });
  const { keys, revoked } = findKnownHost(text, address, port);
  return pinned(keys, revoked);
}
