import { createHash } from 'node:crypto';
import ssh2 from 'ssh2';

const { generateKeyPairSync, parseKey } = ssh2.utils;

/** Both halves as OpenSSH writes them. */
export type KeyPair = { private: string; public: string };

/**
 * A fresh key. Of those that ssh2 makes one in 256 is no key: where the public half begins with a zero byte, it leaves
 * that out.
 */
export function makeKey(passphrase?: string): KeyPair {
  const locked = passphrase === undefined ? undefined : { cipher: 'aes256-cbc', passphrase, rounds: 1 };
  for (;;) {
    const pair = generateKeyPairSync('ed25519', locked);
    if (!(parseKey(pair.private, passphrase) instanceof Error)) return pair;
  }
}

/** The bytes of a public key line. */
export const publicBlob = (line: string): Buffer => Buffer.from(line.split(' ')[1] ?? '', 'base64');

/** As `ssh-keygen -l` prints it. */
export const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
