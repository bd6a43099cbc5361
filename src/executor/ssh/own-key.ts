import ssh2, { type ParsedKey } from 'ssh2';
import { readKey } from './host-key.ts';

const CERTIFICATE = /^\s*[a-z0-9@.-]+-cert-v01@openssh\.com\s/;
const PKCS8 = /^\s*-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----/;
const NO_CERTIFICATES = 'is a certificate: client certificates are not supported, give the key itself';

const opened = new Map<string, ParsedKey>();

/** The private key in a text. One with a passphrase is opened once: that takes long, and nothing else goes on meanwhile. */
export function openKey(text: string, passphrase?: string): ParsedKey | Error {
  const name = `${passphrase ?? ''}\0${text}`;
  const known = opened.get(name);
  if (known !== undefined) return known;
  const key = ssh2.utils.parseKey(text, passphrase);
  if (!(key instanceof Error) && key.isPrivateKey()) opened.set(name, key);
  return key;
}

/** What is wrong with a private key that may have a passphrase, as the end of a sentence; null: nothing. */
export function privateKeyMistake(text: string): string | null {
  if (CERTIFICATE.test(text)) return NO_CERTIFICATES;
  if (needsPassphrase(text)) return null;
  const key = openKey(text);
  if (PKCS8.test(text))
    return 'is a PKCS#8 key, which is not read: `ssh-keygen -p -f FILE` writes it in another format';
  if (key instanceof Error) return `is not a private key: ${key.message}`;
  return key.isPrivateKey() ? null : 'is a public key: give the private one';
}

export function needsPassphrase(text: string): boolean {
  const key = ssh2.utils.parseKey(text);
  return key instanceof Error && /no passphrase given/i.test(key.message);
}

/** What is wrong with a public key line, as the end of a sentence; null: nothing. */
export function publicKeyMistake(text: string): string | null {
  if (CERTIFICATE.test(text)) return NO_CERTIFICATES;
  return readKey(text) === null ? 'is not a public key, as ssh-add -L prints them' : null;
}
