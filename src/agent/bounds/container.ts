import { join } from 'node:path';
import type { StartSpec } from '../../domain/machine.ts';
import { LIMIT_NAMES, NO_LIMITS } from '../../domain/task.ts';
import { StartRefused } from '../../executor/machine.ts';
import type { Places } from './places.ts';

export type ContainerOptions = {
  program: string;
  kind: 'podman' | 'docker';
  image: string;
  /** What the program itself finds in its environment: nothing of a task's. */
  environment: Readonly<Record<string, string>>;
  user: { uid: number; gid: number };
};

export const containerName = (attemptId: string): string => `taskejo-${attemptId}`;

/**
 * Writes the variables named down for the container's program, which has an environment of its own: a task's variables
 * must not steer it, and no value may stand in an argument list. The file is gone before the program runs.
 */
const SCRIPT = `umask 077; f=$1 names=$2; shift 2
for n in $names; do eval "printf '%s=%s\\\\n' $n \\"\\$$n\\""; done >"$f" && exec 9<"$f" && rm -f "$f" && exec "$@"`;
const GIVEN = 'HOME LANG TMPDIR TASKEJO_PROGRESS TASKEJO_OUTPUT TASKEJO_TASK_ID TASKEJO_ATTEMPT_ID'.split(' ');

/** The command that runs an attempt's command in a container, which keeps its limits too. */
export function inContainer(spec: StartSpec, options: ContainerOptions, places: Places): StartSpec {
  const { program, image, environment } = options;
  refuseLines(spec.environment);
  const client = ['/usr/bin/env', '-i', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)];
  const names = [...new Set([...GIVEN, ...Object.keys(spec.environment)])].join(' ');
  const written = join(places.temporary, '.environment');
  const run = [program, 'run', ...runOptions(spec, options, places), image, ...spec.command];
  return {
    ...spec,
    command: ['/bin/sh', '-c', SCRIPT, 'sh', written, names, ...client, ...run],
    limits: { ...NO_LIMITS, costUsd: spec.limits.costUsd },
    sandbox: 'none',
  };
}

function runOptions(spec: StartSpec, { kind, user }: ContainerOptions, { workspace, temporary, files }: Places) {
  const mounts = [workspace, temporary, ...files].map((path) => `${path}:${path}`);
  const rootless = kind === 'podman' && user.uid !== 0;
  return [
    ...['--name', containerName(spec.attemptId), '--interactive', '--pull', 'never', '--log-driver', 'none'],
    ...['--network', 'host', '--cap-drop', 'all', '--security-opt', 'no-new-privileges'],
    ...['--security-opt', 'label=disable', '--env-file', '/proc/self/fd/9', '--entrypoint', ''],
    ...(rootless ? ['--userns', 'keep-id'] : ['--user', `${user.uid}:${user.gid}`]),
    ...[...mounts, `${temporary}:/tmp`].flatMap((mount) => ['--volume', mount]),
    ...limitOptions(spec),
    ...['--workdir', workspace],
  ];
}

function limitOptions({ limits: { cpuPercent, memoryBytes, processes, fileSizeBytes } }: StartSpec): string[] {
  const option = (value: number | null, ...words: string[]) => (value === null ? [] : words);
  return [
    ...option(cpuPercent, '--cpus', String((cpuPercent ?? 0) / 100)),
    ...option(memoryBytes, '--memory', String(memoryBytes), '--memory-swap', String(memoryBytes)),
    ...option(processes, '--pids-limit', String(processes)),
    ...option(fileSizeBytes, '--ulimit', `fsize=${fileSizeBytes}:${fileSizeBytes}`),
  ];
}

/** The names of the limits that a container keeps. */
export const CONTAINER_LIMITS = Object.entries(LIMIT_NAMES).flatMap(([key, name]) => (key === 'costUsd' ? [] : [name]));

/** The file that hands the variables over has one in each line. */
function refuseLines(environment: StartSpec['environment']): void {
  const broken = Object.entries(environment).find(([, value]) => typeof value === 'string' && /[\r\n]/.test(value));
  if (broken === undefined) return;
  throw new StartRefused('setup', `${broken[0]} has several lines, which the sandbox container can't be given`);
}
