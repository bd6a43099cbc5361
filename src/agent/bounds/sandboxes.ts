import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SANDBOXES, type Sandbox } from '../../domain/task.ts';
import type { AgentConfig } from '../config.ts';
import { bubblewrapArguments, type Hidden } from './bubblewrap.ts';
import type { ContainerOptions } from './container.ts';
import { findProgram, MACHINE_PATH } from './find-program.ts';

const run = promisify(execFile);
const PROBE_MS = 20_000;

export type Bubblewrap = { program: string; hidden: Hidden };
/** Why the machine hasn't it. */
export type Missing = { missing: string };
/** What the machine has of each sandbox. */
export type Sandboxes = { bubblewrap: Bubblewrap | Missing; container: ContainerOptions | Missing };

type Environment = Readonly<Record<string, string | undefined>>;

/** What the container's program may need of the agent's own environment. */
const CLIENTS_OWN = ['HOME', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS', 'DOCKER_HOST', 'DOCKER_CONFIG'];

/** Tries which sandboxes work here. */
export async function findSandboxes(config: AgentConfig, env: Environment): Promise<Sandboxes> {
  const [bubblewrap, container] = await Promise.all([findBubblewrap(config), findContainer(config, env)]);
  return { bubblewrap, container };
}

export function whyMissing(found: Sandboxes, sandbox: Sandbox): string | null {
  if (sandbox === 'none') return null;
  const one = found[sandbox];
  return 'missing' in one ? one.missing : null;
}

/** What the server is told that this machine has. */
export const namesOf = (found: Sandboxes): Sandbox[] =>
  SANDBOXES.filter((one) => one !== 'none' && whyMissing(found, one) === null);

async function findBubblewrap(config: AgentConfig): Promise<Sandboxes['bubblewrap']> {
  const program = findProgram('bwrap', MACHINE_PATH);
  if (program === null) return { missing: 'there is no program bwrap (Debian: apt-get install bubblewrap)' };
  try {
    await tryBubblewrap(program);
    return { program, hidden: hiddenOf(config) };
  } catch (error) {
    return { missing: said(error) };
  }
}

function hiddenOf({ file, secretFiles, localApi, stateDir, workDir }: AgentConfig): Hidden {
  const files = [...(file === null ? [] : [file]), ...secretFiles, localApi.socket];
  return { folders: [stateDir, workDir], files };
}

/** Shuts something in that does nothing, in a folder of its own. */
async function tryBubblewrap(program: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'taskejo-probe-'));
  try {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const places = { workspace: folder, temporary: folder, files: [file] };
    const [first = '', ...rest] = bubblewrapArguments(program, { folders: [], files: [] }, places);
    await run(first, [...rest, '/bin/sh', '-c', ':'], { timeout: PROBE_MS });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function findContainer(
  { container, environment }: AgentConfig,
  env: Environment,
): Promise<Sandboxes['container']> {
  const { program: kind, image } = container;
  if (image === null) return { missing: 'container.image is not set' };
  const path = `${environment.PATH ?? MACHINE_PATH}:/usr/local/sbin:/usr/sbin:/sbin`;
  const program = findProgram(kind, path);
  if (program === null) return { missing: `there is no program ${kind}` };
  const own = CLIENTS_OWN.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  const options = {
    program,
    kind,
    image,
    environment: { PATH: path, ...Object.fromEntries(own) },
    user: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
  };
  try {
    await run(program, ['image', 'inspect', image], { env: options.environment, timeout: PROBE_MS });
    return options;
  } catch (error) {
    return { missing: `image ${image}: ${said(error)}` };
  }
}

/** The last thing that a program said before it failed. */
function said(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string };
  const lines = stderr.trim().split('\n');
  return (lines.at(-1) || message).slice(0, 300);
}
