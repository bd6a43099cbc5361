import { MachineError } from '../machine.ts';
import { createSshHost, type SshHost, type SshHostDeps, type SshHostOptions } from './host.ts';

/** `jump`: the id of the host through which this one is reached; null: straight. */
export type SshHostSettings = SshHostOptions & { id: string; jump: string | null };

/** One of them, with its way through the others: their connections end with its own. */
export function createLoneHost(settings: readonly SshHostSettings[], id: string): SshHost {
  const all = createSshHosts(settings);
  const host = all.get(id);
  if (host === undefined) throw new MachineError('configuration', `there is no host ${id}`);
  return { ...host, close: () => [...all.values()].map((one) => one.close()) };
}

/** Hosts by their ids, each with its way through the others. Throws {@link MachineError} `configuration`. */
export function createSshHosts(
  settings: readonly SshHostSettings[],
  deps: Omit<SshHostDeps, 'jump'> = {},
): Map<string, SshHost> {
  const byId = new Map(settings.map((one) => [one.id, one]));
  const made = new Map<string, SshHost>();
  const make = (id: string, behind: readonly string[]): SshHost => {
    const options = byId.get(id);
    if (options === undefined || behind.includes(id))
      throw new MachineError('configuration', `no way through the jump host ${id}`);
    const known = made.get(id);
    if (known !== undefined) return known;
    const jump = options.jump === null ? {} : { jump: make(options.jump, [...behind, id]) };
    const host = createSshHost(options, { ...deps, ...jump });
    made.set(id, host);
    return host;
  };
  return new Map(settings.map(({ id }) => [id, make(id, [])]));
}
