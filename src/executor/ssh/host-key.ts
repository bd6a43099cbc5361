import { createHash } from 'node:crypto';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { MachineError } from '../machine.ts';

/** The algorithms that speak for each type of key, best first. Certificates are not among them. */
const ALGORITHMS: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};
const TYPES = Object.keys(ALGORITHMS);
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}=?$/;

/** A key that is known by its fingerprint; the type is null where nobody said it. */
export type KnownKey = { fingerprint: string; type: string | null };

/** What a host must show before anything is sent to it. */
export type PinnedHostKeys = {
  matches(key: Buffer): boolean;
  /** Which types of key may be asked for: those pinned as whole keys, or all for a bare fingerprint. */
  types: readonly string[];
  /** True when some pin doesn't say its type, so that a mismatch may only mean that another type was shown. */
  typeUnknown: boolean;
  text: string;
};

export const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

/** The type that an SSH public key names in its own first field. */
export function keyType(key: Buffer): string {
  if (key.length < 4) return 'unknown';
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
}

export const algorithmsOf = (types: readonly string[]): ServerHostKeyAlgorithm[] =>
  types.flatMap((type) => ALGORITHMS[type] ?? []);

/**
 * Reads pins: `SHA256:…` fingerprints or full key lines (`ssh-ed25519 AAAA… comment`, with or without a host name in
 * front). Throws {@link MachineError} `configuration` when there is none, or one can't be read.
 */
export function pinHostKeys(pins: readonly string[]): PinnedHostKeys {
  if (pins.length === 0) throw new MachineError('configuration', 'a host needs a host key');
  return pinned(pins.map(readPin));
}

/** Trusts these keys, but none that is revoked. */
export function pinned(keys: readonly KnownKey[], revoked: readonly KnownKey[] = []): PinnedHostKeys {
  const refused = new Set(revoked.map((key) => key.fingerprint));
  const accepted = new Set(keys.map((key) => key.fingerprint).filter((one) => !refused.has(one)));
  const typeUnknown = keys.some((key) => key.type === null);
  const named = keys.map((key) => key.type);
  return {
    matches: (key) => accepted.has(fingerprint(key)),
    types: typeUnknown ? TYPES : TYPES.filter((type) => named.includes(type)),
    typeUnknown,
    text: [...accepted].join(', ') || 'none that is not revoked',
  };
}

/** A key line, with or without host names in front; null when it is none of a type that we can ask for. */
export function readKey(line: string): KnownKey | null {
  const words = line.trim().split(/\s+/);
  const at = words.findIndex((word) => TYPES.includes(word));
  const key = Buffer.from(words[at + 1] ?? '', 'base64');
  return at < 0 || keyType(key) !== words[at] ? null : { fingerprint: fingerprint(key), type: keyType(key) };
}

function readPin(pin: string): KnownKey {
  const text = pin.trim();
  if (FINGERPRINT.test(text)) return { fingerprint: text.replace(/=$/, ''), type: null };
  if (/-cert-v01@openssh\.com|@cert-authority/.test(text))
    throw new MachineError('configuration', 'host certificates are not supported, pin the host key itself');
  const key = readKey(text);
  if (key === null) throw new MachineError('configuration', 'a host key is neither SHA256:… nor a key line');
  return key;
}
