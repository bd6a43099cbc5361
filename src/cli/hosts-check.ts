import type { Config } from '../config.ts';
import { visible } from '../domain/visible.ts';
import { type Check, preflight, type Wanted } from '../executor/preflight.ts';
import type { SshHost } from '../executor/ssh/host.ts';
import { createSshHosts } from '../executor/ssh/hosts.ts';
import type { Terminal } from './terminal.ts';

const WITHIN_MS = 90_000;

/** Looks whether a host of the configuration can run tasks. */
export const checkHost = (config: Config, id: string, tell: (check: Check) => void): Promise<Check[]> =>
  preflight(
    {
      open: (installationId) => openHost(config, id, installationId),
      wanted: wantedOf(config, id),
      tell,
      epochMs: () => Date.now(),
    },
    AbortSignal.timeout(WITHIN_MS),
  );

/** With its way through others, whose connections end with its own. */
function openHost({ hosts }: Config, id: string, installationId: string): SshHost {
  const all = createSshHosts(hosts.map((host) => ({ ...host, installationId })));
  const host = all.get(id);
  if (host === undefined) throw new Error(`there is no host ${id}`);
  return { ...host, close: () => [...all.values()].map((one) => one.close()) };
}

/** Programs of the templates that the host would be given tasks of. */
function wantedOf({ hosts, forgejo }: Config, id: string): Wanted {
  const labels = hosts.find((host) => host.id === id)?.labels ?? [];
  const programs = forgejo.templates
    .map(({ definition }) => definition)
    .filter(({ requires }) => requires.every((label) => labels.includes(label)))
    .flatMap(({ command }) => command[0] ?? []);
  return { labels, programs: [...new Set(programs)] };
}

const STYLES = { ok: 'green', warning: 'yellow', failed: 'red' } as const;

export const paintCheck = (terminal: Terminal, { name, status, message }: Check): string =>
  `  ${terminal.style(STYLES[status], status.padEnd(7))}  ${name.padEnd(19)}  ${visible(message)}\n`;
