import type { Config } from '../../config.ts';
import { visible } from '../../domain/visible.ts';
import { MachineError } from '../../executor/machine.ts';
import { type Check, preflight, type Wanted } from '../../executor/preflight.ts';
import type { SshHost } from '../../executor/ssh/host.ts';
import { createLoneHost } from '../../executor/ssh/hosts.ts';
import { type ShownKey, shownKey } from '../../executor/ssh/shown-key.ts';
import { CliError, EXIT } from '../errors.ts';
import type { Terminal } from '../terminal.ts';

export type { Check };

const WITHIN_MS = 90_000;
const KEY_WITHIN_MS = 20_000;

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

/** The key that a machine shows which needn't be in the configuration yet, reached through a host that is. */
export async function readHostKey(
  config: Config | null,
  to: { address: string; port: number },
  jump: string | null,
): Promise<ShownKey> {
  const through = jump === null ? null : openHost(config, jump, 'check');
  const way = through === null ? {} : { way: through.forward };
  try {
    return await shownKey(to, {
      deadlineMs: KEY_WITHIN_MS,
      keepaliveMs: KEY_WITHIN_MS,
      signal: AbortSignal.timeout(KEY_WITHIN_MS),
      ...way,
    });
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    throw new CliError(visible(`${to.address} shows no key: ${error.message}`), EXIT.failed, { cause: error });
  } finally {
    through?.close();
  }
}

/** With its way through others, whose connections end with its own. */
function openHost(config: Config | null, id: string, installationId: string): SshHost {
  const hosts = config?.hosts ?? [];
  if (hosts.every((host) => host.id !== id))
    throw new CliError(`there is no host ${visible(id)} in the configuration`, EXIT.usage);
  return createLoneHost(
    hosts.map((host) => ({ ...host, installationId })),
    id,
  );
}

/** Programs of the templates that the host would be given tasks of. */
function wantedOf({ hosts, forgejo }: Config, id: string): Wanted {
  const labels = hosts.find((host) => host.id === id)?.labels ?? [];
  const programs = forgejo.templates
    .map(({ definition }) => definition)
    .filter(({ requires }) => requires.every((label) => labels.includes(label)))
    .flatMap(({ command }) => command[0] ?? []);
  return { labels, programs: [...new Set(programs)], limits: true };
}

const STYLES = { ok: 'green', warning: 'yellow', failed: 'red' } as const;

export const paintCheck = (terminal: Terminal, { name, status, message }: Check): string =>
  `  ${terminal.style(STYLES[status], status.padEnd(7))}  ${name.padEnd(19)}  ${visible(message)}\n`;
