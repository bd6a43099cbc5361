import { z } from 'zod';
import { label } from '../contract/common.ts';
import { MachineError } from '../executor/machine.ts';
import { pinHostKeys } from '../executor/ssh/host-key.ts';
import { privateKeyMistake, publicKeyMistake } from '../executor/ssh/own-key.ts';

const hostKey = z.string().superRefine((text, context) => {
  try {
    pinHostKeys([text]);
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    context.addIssue(`${error.message}: give what ssh-keygen -lf prints, or a whole line of ssh-keyscan`);
  }
});

/** A text of which a function says what is wrong with it. */
const checked = (mistakeIn: (text: string) => string | null) =>
  z.string().superRefine((text, context) => {
    const mistake = mistakeIn(text);
    if (mistake !== null) context.addIssue(mistake);
  });

const hostId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be a name of 1–64 letters, digits, dots, dashes and underscores');

export const knownHosts = z.string().min(1);
export const jump = hostId.nullable();

/** One machine that the server drives over SSH. What its keys need of each other is checked beside. */
export const hostSchema = z.strictObject({
  id: hostId.describe('Name of the host, and id of its agent'),
  address: z
    .string()
    .regex(/^[A-Za-z0-9:][A-Za-z0-9.:%_-]{0,254}$/, 'must be a host name or an IP address')
    .describe('Host name or IP address'),
  port: z.int().min(1).max(65_535).default(22).describe('Port of its SSH server'),
  user: z
    .string()
    .regex(/^[^\s:@/-][^\s:@/]{0,63}$/, 'must be the name of a user')
    .describe('User that commands run as'),
  private_key: checked(privateKeyMistake)
    .optional()
    .meta({ secret: true, description: 'The private key that signs in; this or `ssh_agent` is required' }),
  passphrase: z.string().min(1).optional().meta({ secret: true, description: 'Opens the private key, if it has one' }),
  ssh_agent: z
    .string()
    .min(1)
    .optional()
    .meta({ secret: 'if set', description: 'Socket of an ssh-agent that signs in, as `{env: SSH_AUTH_SOCK}`' }),
  public_key: checked(publicKeyMistake)
    .optional()
    .describe('Which key of the `ssh_agent`, as a line of `ssh-add -L`; unless said, all in turn'),
  host_key: z
    .union([hostKey.transform((key) => [key]), z.array(hostKey).min(1)])
    .optional()
    .describe('Its key, as `SHA256:…` or a whole key line, or a list of these: no other is trusted'),
  known_hosts: knownHosts
    .optional()
    .describe('In place of `host_key`: a file that has it; `ssh.known_hosts` unless said'),
  jump: jump
    .optional()
    .describe('Id of the host through which this one is reached; `ssh.jump` unless said, `null`: straight'),
  labels: z.array(label).max(32).default([]).describe('What it can do: tasks require labels'),
  capacity: z.int().min(1).max(1000).optional().describe('Attempts at a time; `execution.capacity` unless said'),
  lost_after_seconds: z.number().min(0).optional().describe('As `ssh.lost_after_seconds`, for this host'),
});

/** The way to a host: what it says itself, else what holds for all, but for the jump host itself. */
export function jumpOf(host: { id: string; jump?: string | null | undefined }, forAll: string | null): string | null {
  if (host.jump !== undefined) return host.jump;
  return forAll === host.id ? null : forAll;
}
