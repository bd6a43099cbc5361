import { z } from 'zod';
import { needsPassphrase, openKey } from '../executor/ssh/own-key.ts';
import type { Problem } from '../forgejo/configuration.ts';
import { jumpOf } from './hosts.ts';

const text = z.string().optional().catch(undefined);
const hosts = z.object({
  hosts: z
    .array(
      z
        .object({
          id: text,
          private_key: text,
          passphrase: text,
          ssh_agent: text,
          public_key: text,
          host_key: z.unknown().optional(),
          known_hosts: text,
          jump: z.string().nullable().optional().catch(undefined),
        })
        .catch({}),
    )
    .catch([]),
  ssh: z.object({ known_hosts: text, jump: z.string().nullable().default(null).catch(null) }).catch({ jump: null }),
});
type Read = z.output<typeof hosts>;
type Host = Read['hosts'][number];
type Finding = { key: keyof Host; message: string };

/** What the keys of hosts need of each other, and hosts of other hosts. */
export function hostProblems(parts: Record<string, unknown>): Problem[] {
  const read = hosts.parse({ hosts: [], ssh: {}, ...parts });
  return read.hosts.flatMap((host, at) =>
    [...checkId(host, at, read), ...checkIdentity(host), ...checkHostKey(host, read), ...checkJump(host, read)].map(
      ({ key, message }) => ({ path: ['hosts', at, key], message }),
    ),
  );
}

function checkId({ id }: Host, at: number, { hosts }: Read): Finding[] {
  const first = hosts.findIndex((other) => other.id === id);
  return id !== undefined && first < at ? [{ key: 'id', message: `there are two with the id ${id}` }] : [];
}

function checkIdentity({ private_key: key, passphrase, ssh_agent: agent, public_key: publicKey }: Host): Finding[] {
  if (agent !== undefined) {
    const beside = (other: keyof Host) => ({ key: other, message: 'stands beside ssh_agent: say one of them' });
    return [
      ...(key === undefined ? [] : [beside('private_key')]),
      ...(passphrase === undefined ? [] : [beside('passphrase')]),
    ];
  }
  const found: Finding[] = [];
  if (publicKey !== undefined)
    found.push({ key: 'public_key', message: 'says which key of an ssh_agent, and there is none' });
  if (key === undefined)
    found.push({ key: 'private_key', message: 'is missing: give it, or an ssh_agent that is set' });
  else if (!needsPassphrase(key)) return found;
  else if (passphrase === undefined) found.push({ key: 'private_key', message: 'has a passphrase: give that too' });
  else if (openKey(key, passphrase) instanceof Error)
    found.push({ key: 'passphrase', message: 'does not open the private key' });
  return found;
}

function checkHostKey({ host_key: pinned, known_hosts: file }: Host, { ssh }: Read): Finding[] {
  if (pinned !== undefined && file !== undefined)
    return [{ key: 'known_hosts', message: 'stands beside host_key: say one of them' }];
  if (pinned !== undefined || file !== undefined || ssh.known_hosts !== undefined) return [];
  return [{ key: 'host_key', message: 'is missing: give it, or a known_hosts file' }];
}

function checkJump(host: Host, { hosts, ssh }: Read): Finding[] {
  const passed = new Set<string>();
  const wayOf = ({ id = '', jump }: Host) => jumpOf({ id, jump }, ssh.jump);
  for (let next = wayOf(host); next !== null; ) {
    const through = hosts.find(({ id }) => id === next);
    if (through === undefined) return [{ key: 'jump', message: `there is no host ${next}` }];
    if (next === host.id) return [{ key: 'jump', message: 'leads back to the host itself' }];
    if (passed.has(next)) return []; // said of those that lie on the circle
    passed.add(next);
    next = wayOf(through);
  }
  return [];
}
