import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SANDBOXES, type Sandbox } from '../../domain/task.ts';
import type { Environment } from '../../yaml-file.ts';
import type { AgentConfig } from '../config.ts';
import { bubblewrapArguments, type Hidden } from './bubblewrap.ts';
import type { ContainerOptions } from './container.ts';
import { findProgram, MACHINE_PATH } from './find-program.ts';
import { tryProgram } from './probe.ts';

export type Bubblewrap = { program: string; hidden: Hidden };
/** Why the machine hasn't it. */
export type Missing = { missing: string };
/** What the machine has of each sandbox. */
export type Sandboxes = { bubblewrap: Bubblewrap | Missing; container: ContainerOptions | Missing };

/** What the container's program may need of the agent's own environment. */
const CLIENTS_OWN = ['HOME', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS', 'DOCKER_HOST', 'DOCKER_CONFIG'];

/** By which programs commands would be shut in here. Whether these can do it isn't tried. */
export const sandboxesOf = (config: AgentConfig, env: Environment): Sandboxes => ({
  bubblewrap: bubblewrapOf(config),
  container: containerOf(config, env),
});

export function whyMissing(found: Sandboxes, sandbox: Sandbox): string | null {
  if (sandbox === 'none') return null;
  const one = found[sandbox];
  return 'missing' in one ? one.missing : null;
}

/** What the server is told that this machine has. */
export const namesOf = (found: Sandboxes): Sandbox[] =>
  SANDBOXES.filter((one) => one !== 'none' && whyMissing(found, one) === null);

function bubblewrapOf(config: AgentConfig): Bubblewrap | Missing {
  const program = findProgram('bwrap', MACHINE_PATH);
  if (program === null) return { missing: 'there is no program bwrap (Debian: apt-get install bubblewrap)' };
  return { program, hidden: hiddenOf(config) };
}

function hiddenOf({ file, secretFiles, localApi, stateDir, workDir }: AgentConfig): Hidden {
  const files = [...(file === null ? [] : [file]), ...secretFiles, localApi.socket];
  return { folders: [stateDir, workDir], files };
}

/** Shuts something in that does nothing, in a folder of its own. @throws {Unsaid} */
export async function tryBubblewrap(bubblewrap: Bubblewrap, patienceMs: number): Promise<Bubblewrap | Missing> {
  const folder = await mkdtemp(join(tmpdir(), 'taskejo-probe-'));
  try {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const places = { workspace: folder, temporary: folder, files: [file] };
    const shutIn = bubblewrapArguments(bubblewrap.program, { folders: [], files: [] }, places);
    const { reason } = await tryProgram([...shutIn, '/bin/sh', '-c', ':'], { patienceMs });
    return reason === null ? bubblewrap : { missing: reason };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function containerOf({ container, environment }: AgentConfig, env: Environment): ContainerOptions | Missing {
  const { program: kind, image } = container;
  if (image === null) return { missing: 'container.image is not set' };
  const path = `${environment.PATH ?? MACHINE_PATH}:/usr/local/sbin:/usr/sbin:/sbin`;
  const program = findProgram(kind, path);
  if (program === null) return { missing: `there is no program ${kind}` };
  const own = CLIENTS_OWN.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return {
    program,
    kind,
    image,
    environment: { PATH: path, ...Object.fromEntries(own) },
    user: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    kept: { cpuPercent: null, memoryBytes: null, processes: null, fileSizeBytes: null },
  };
}
