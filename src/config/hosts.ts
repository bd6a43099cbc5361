import ssh2 from 'ssh2';
import { z } from 'zod';
import { label } from '../contract/common.ts';
import { MachineError } from '../executor/machine.ts';
import { pinHostKeys } from '../executor/ssh/host-key.ts';

const hostKey = z.string().superRefine((text, context) => {
  try {
    pinHostKeys([text]);
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    context.addIssue(`${error.message}: give what ssh-keygen -lf prints, or a whole line of ssh-keyscan`);
  }
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
