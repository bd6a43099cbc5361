import { realpathSync } from 'node:fs';
import type { MachineReport, StartSpec } from '../../domain/machine.ts';
import { LIMIT_NAMES, type Limits, SANDBOXES, type Sandbox } from '../../domain/task.ts';
import { type Machine, StartRefused } from '../../executor/machine.ts';
import type { AgentConfig } from '../config.ts';
import { AgentError } from '../exit.ts';
import { bubblewrapArguments, isSeen } from './bubblewrap.ts';
import { inContainer } from './container.ts';
import type { Containers } from './containers.ts';
import { findProgram, MACHINE_PATH } from './find-program.ts';
import { type Places, placesOf } from './places.ts';
import { LOADERS_OWN, pathOf, refusingRuleHere } from './policy.ts';
import type { Bubblewrap, Missing, Sandboxes } from './sandboxes.ts';

export type GuardDeps = {
  config: Pick<AgentConfig, 'workDir' | 'policy' | 'sandbox' | 'limits' | 'environment'>;
  sandboxes: Sandboxes;
};

/**
 * The machine as its owner lets it be used: what a command asks for is refused, bounded and shut in as the agent's own
 * settings say, whatever the server thinks of it, before anything reaches the machine.
 */
export function guardMachine(machine: Machine, deps: GuardDeps & { containers: Containers }): Machine {
  const { containers, config } = deps;
  const { start, status, collect, cancel, fence, clean } = machine;
  const settled = async (attemptId: string, report: Promise<MachineReport>) =>
    containers.settle(attemptId, await report);
  return {
    ...machine,
    async start(spec, signal) {
      const allowed = guarded(spec, deps);
      if (stricter(spec.sandbox, config.sandbox) === 'container') noteContainer(containers, spec.attemptId);
      return settled(spec.attemptId, start(allowed, signal));
    },
    status: (attemptId, signal) => settled(attemptId, status(attemptId, signal)),
    cancel: (attemptId, graceSeconds, signal) => settled(attemptId, cancel(attemptId, graceSeconds, signal)),
    fence: (attemptId, signal) => settled(attemptId, fence(attemptId, signal)),
    async collect(attemptId, ...how) {
      const { report, piece } = await collect(attemptId, ...how);
      return { report: await containers.settle(attemptId, report), piece };
    },
    async clean(attemptId, signal) {
      await clean(attemptId, signal);
      containers.forget(attemptId);
    },
  };
}

function noteContainer(containers: Containers, attemptId: string): void {
  try {
    containers.note(attemptId);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    throw new StartRefused('setup', error.message);
  }
}

/** What is really started. @throws {StartRefused} */
export function guarded(spec: StartSpec, deps: GuardDeps): StartSpec {
  const { config } = deps;
  const ownPath = config.environment.PATH ?? MACHINE_PATH;
  const sandbox = stricter(spec.sandbox, config.sandbox);
  // What a container's image has under a name can't be looked up: there the name alone counts.
  const rule = refusingRuleHere(spec, config.policy, sandbox === 'container' ? null : ownPath);
  if (rule !== null) throw new StartRefused('policy', `policy: ${rule}`);
  const bounded = { ...spec, limits: smaller(spec.limits, config.limits), sandbox };
  const placed = withPlace(spec, ownPath);
  if (sandbox !== 'none') return shutIn(bounded, deps, placed);
  return config.policy.allowedCommands.length === 0 ? bounded : { ...bounded, command: placed };
}

/** The command with the place of its program, the one that was looked at: nothing gets before it on the PATH. */
function withPlace({ command, environment }: StartSpec, ownPath: string): string[] {
  const [program = '', ...rest] = command;
  return [findProgram(program, pathOf(environment, ownPath)) ?? program, ...rest];
}

function shutIn(spec: StartSpec, { sandboxes, config }: GuardDeps, command: readonly string[]): StartSpec {
  const places = placesOf(asWrapperSees(config.workDir), spec.installationId, spec.attemptId);
  const inside =
    spec.sandbox === 'container'
      ? inContainer(spec, had('container', sandboxes.container), places)
      : { ...spec, command: inBubblewrap({ ...spec, command }, had('bubblewrap', sandboxes.bubblewrap), places) };
  return { ...inside, command: withFiles(inside.command, places), sandbox: 'none' };
}

/** The wrapper names its folders as they are, not by links that lead there. */
function asWrapperSees(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // gone: whoever starts something makes it anew
  }
}

/** Asked for and not to be had: the command isn't run without. */
function had<T extends object>(sandbox: Sandbox, found: T | Missing): T {
  if (!('missing' in found)) return found;
  throw new StartRefused('setup', `the sandbox ${sandbox} is not available: ${found.missing}`);
}

function inBubblewrap({ command, environment }: StartSpec, { program, hidden }: Bubblewrap, places: Places): string[] {
  const loaders = Object.keys(environment).find((name) => LOADERS_OWN.test(name));
  // It would be obeyed before the sandbox is there.
  if (loaders !== undefined) throw new StartRefused('setup', `${loaders} can't be given into a sandbox`);
  const [found = ''] = command;
  if (!isSeen(found)) throw new StartRefused('setup', `program \`${found}\` not found in the sandbox`);
  return [...bubblewrapArguments(program, hidden, places), ...command];
}

/** The files for progress and output must be there before something is shut in with them. */
function withFiles(command: readonly string[], { files }: Places): string[] {
  return ['/bin/sh', '-c', ': >>"$1" && : >>"$2" && shift 2 && exec "$@"', 'sh', ...files, ...command];
}

const stricter = (one: Sandbox, other: Sandbox): Sandbox =>
  SANDBOXES[Math.max(SANDBOXES.indexOf(one), SANDBOXES.indexOf(other))] ?? one;

/** Of each limit the smaller. */
function smaller(one: Limits, other: Limits): Limits {
  const least = (key: keyof Limits): number | null => {
    const said = [one[key], other[key]].filter((value) => value !== null);
    return said.length === 0 ? null : Math.min(...said);
  };
  const keys = Object.keys(LIMIT_NAMES) as (keyof Limits)[];
  return { ...one, ...Object.fromEntries(keys.map((key) => [key, least(key)])) };
}
