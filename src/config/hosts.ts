import ssh2 from 'ssh2';
import { z } from 'zod';
import { label } from '../contract/common.ts';

const FINGERPRINT = /^SHA256:([A-Za-z0-9+/]{43})=?$/;

/**
 * A host key as it is pinned: `SHA256:…` without padding, or `TYPE BASE64` of a whole key line, with or without the
 * host's name before it and a comment after it; null when the text is neither.
 */
export function pinnedKey(text: string): string | null {
  const fingerprint = FINGERPRINT.exec(text.trim());
  if (fingerprint !== null) return `SHA256:${fingerprint[1]}`;
  const words = text.trim().split(/\s+/);
  const at = words.findIndex((word) => /^(?:ssh|ecdsa|sk)-[a-z0-9@.-]+$/.test(word));
  const [type, blob] = words.slice(at, at + 2);
  if (at < 0 || at > 1 || type === undefined || blob === undefined) return null;
  const key = ssh2.utils.parseKey(`${type} ${blob}`);
  return key instanceof Error || key.type !== type ? null : `${type} ${blob}`;
}

const hostKey = z.string().transform((text, context): string => {
  const key = pinnedKey(text);
  if (key !== null) return key;
  context.addIssue('must be SHA256:… as ssh-keygen -lf prints it, or a whole line of ssh-keyscan');
  return z.NEVER;
});

function isPrivateKey(text: string): boolean {
  const key = ssh2.utils.parseKey(text);
  return !(key instanceof Error) && key.isPrivateKey();
}

const privateKey = z
  .string()
  .refine(isPrivateKey, 'is not a private key without a passphrase')
  .meta({ secret: true, description: 'The private key that signs in' });

/** One machine that the server drives over SSH. */
export const hostSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be a name of 1–64 letters, digits, dots, dashes and underscores')
    .describe('Name of the host, and id of its agent'),
  address: z
    .string()
    .regex(/^[A-Za-z0-9:][A-Za-z0-9.:%_-]{0,254}$/, 'must be a host name or an IP address')
    .describe('Host name or IP address'),
  port: z.int().min(1).max(65_535).default(22).describe('Port of its SSH server'),
  user: z
    .string()
    .regex(/^[^\s:@/-][^\s:@/]{0,63}$/, 'must be the name of a user')
    .describe('User that commands run as'),
  private_key: privateKey,
  host_key: z
    .union([hostKey.transform((key) => [key]), z.array(hostKey).min(1)])
    .describe('Its key, as `SHA256:…` or a whole key line, or a list of these: no other is trusted'),
  labels: z.array(label).max(32).default([]).describe('What it can do: tasks require labels'),
  capacity: z.int().min(1).max(1000).optional().describe('Attempts at a time; `execution.capacity` unless said'),
  lost_after_seconds: z.number().min(0).optional().describe('As `ssh.lost_after_seconds`, for this host'),
});
