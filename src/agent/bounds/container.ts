import { cpus } from 'node:os';
import { join } from 'node:path';
import type { StartSpec } from '../../domain/machine.ts';
import { LIMIT_NAMES, type Limits, NO_LIMITS } from '../../domain/task.ts';
import { type KeptLimits, LIMITS } from '../../executor/kept-limits.ts';
import { StartRefused } from '../../executor/machine.ts';
import type { Places } from './places.ts';

export type ContainerOptions = {
  program: string;
  kind: 'podman' | 'docker';
  image: string;
  /** What the program itself finds in its environment: nothing of a task's. */
  environment: Readonly<Record<string, string>>;
  user: { uid: number; gid: number };
  /** Which limits its containers keep. */
  kept: KeptLimits;
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
  refuseUnkept(spec.limits, options.kept);
  const client = ['/usr/bin/env', '-i', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)];
  const names = [...new Set([...GIVEN, ...Object.keys(spec.environment)])].join(' ');
  const written = join(places.temporary, '.environment');
  const how = [...runOptions(containerName(spec.attemptId), options, places), ...limitOptions(spec.limits)];
  const run = [program, 'run', ...how, '--env-file', '/proc/self/fd/9', image, ...spec.command];
  return {
    ...spec,
    command: ['/bin/sh', '-c', SCRIPT, 'sh', written, names, ...client, ...run],
    limits: { ...NO_LIMITS, costUsd: spec.limits.costUsd },
    sandbox: 'none',
  };
}

/** What stands before the image, but for variables and limits. */
export function runOptions(name: string, { kind, user }: ContainerOptions, { workspace, temporary, files }: Places) {
  const mounts = [workspace, temporary, ...files].map((path) => `${path}:${path}`);
  const rootless = kind === 'podman' && user.uid !== 0;
  return [
    ...['--name', name, '--interactive', '--pull', 'never', '--log-driver', 'none'],
    ...['--network', 'host', '--cap-drop', 'all', '--security-opt', 'no-new-privileges'],
    ...['--security-opt', 'label=disable', '--entrypoint', ''],
    ...(rootless ? ['--userns', 'keep-id'] : ['--user', `${user.uid}:${user.gid}`]),
    ...[...mounts, `${temporary}:/tmp`].flatMap((mount) => ['--volume', mount]),
    ...['--workdir', workspace],
  ];
}

export function limitOptions({ cpuPercent, memoryBytes, processes, fileSizeBytes }: Partial<Limits>): string[] {
  const option = (value: number | null | undefined, ...words: string[]) => (value == null ? [] : words);
  // More than the machine has is refused, and no bound.
  const processors = Math.min((cpuPercent ?? 0) / 100, cpus().length);
  return [
    ...option(cpuPercent, '--cpus', String(processors)),
    ...option(memoryBytes, '--memory', String(memoryBytes), '--memory-swap', String(memoryBytes)),
    ...option(processes, '--pids-limit', String(processes)),
    ...option(fileSizeBytes, '--ulimit', `fsize=${fileSizeBytes}:${fileSizeBytes}`),
  ];
}

/** Asked for and not to be had: the command isn't run without. */
function refuseUnkept(asked: Limits, kept: KeptLimits): void {
  const [limit] = LIMITS.filter((one) => asked[one] !== null && kept[one] !== null);
  if (limit === undefined) return;
  throw new StartRefused('setup', `the limit ${LIMIT_NAMES[limit]} is not available in a container: ${kept[limit]}`);
}

/** The file that hands the variables over has one in each line. */
function refuseLines(environment: StartSpec['environment']): void {
  const broken = Object.entries(environment).find(([, value]) => typeof value === 'string' && /[\r\n]/.test(value));
  if (broken === undefined) return;
  throw new StartRefused('setup', `${broken[0]} has several lines, which the sandbox container can't be given`);
}
