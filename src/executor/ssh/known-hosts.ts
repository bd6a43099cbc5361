import { createHmac } from 'node:crypto';
import { MachineError } from '../machine.ts';
import { type KnownKey, readKey } from './host-key.ts';

/** What a `known_hosts` file says of one host: the keys that it may show, and those that it must not. */
export type KnownHost = { keys: KnownKey[]; revoked: KnownKey[]; name: string };

type Line = { marker: string | null; hosts: string; key: string[] };

/**
 * Reads what a `known_hosts` file, as OpenSSH writes it, says of a host: plain, hashed, with wildcards and negations,
 * and with a port. Lines that can't be read are skipped, as there. Host certificates are not supported.
 * Throws {@link MachineError} `host_key` when the file has no key of this host.
 */
export function findKnownHost(text: string, address: string, port: number): KnownHost {
  const lines = text.split('\n').flatMap(readLine);
  const plain = address.toLowerCase();
  // A port of its own is part of the name; what is known of the host without it counts where nothing else is known.
  const names = port === 22 ? [plain] : [`[${plain}]:${port}`, plain];
  const found = names.map((name) => ({ name, lines: lines.filter((line) => isOf(line.hosts, name)) }));
  const keysOf = (some: readonly Line[]) => some.flatMap(({ key }) => readKey(key.join(' ')) ?? []);
  const known = (some: readonly Line[]) => keysOf(some.filter(({ marker }) => marker === null));
  const best = found.find((one) => known(one.lines).length > 0);
  const all = found.flatMap((one) => one.lines);
  if (best === undefined) throw unknown(names[0] ?? address, all);
  return {
    keys: known(best.lines),
    revoked: keysOf(all.filter(({ marker }) => marker === '@revoked')),
    name: best.name,
  };
}

function unknown(name: string, lines: readonly Line[]): MachineError {
  const certified = lines.some(({ marker }) => marker === '@cert-authority');
  const why = certified ? 'only an authority for host certificates, which are not supported,' : 'no key';
  return new MachineError('host_key', `the known_hosts file has ${why} for ${name}`);
}

function readLine(text: string): Line[] {
  const words = text.trim().split(/\s+/);
  const marker = words[0]?.startsWith('@') ? (words.shift() ?? null) : null;
  const [hosts, ...key] = words;
  return hosts === undefined || hosts.startsWith('#') || key.length < 2 ? [] : [{ marker, hosts, key }];
}

function isOf(hosts: string, name: string): boolean {
  const [, salt, hash] = /^\|1\|([^|]+)\|([^|]+)$/.exec(hosts) ?? [];
  if (salt !== undefined) return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  const patterns = hosts.toLowerCase().split(',');
  const fits = (pattern: string) => wildcard(pattern).test(name);
  if (patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern));
}

/** `*` is any text, `?` any one character. */
function wildcard(pattern: string): RegExp {
  const quoted = pattern.replace(/[\\^$.+()[\]{}|]/g, '\\$&');
  return new RegExp(`^${quoted.replace(/\*+/g, '.*').replaceAll('?', '.')}$`, 's');
}
