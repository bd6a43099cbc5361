import type { StartSpec } from '../../domain/machine.ts';
import { type AgentPolicy, refusingRule } from '../../domain/may-run.ts';
import { findProgram } from './find-program.ts';

/** With one of these a file of somebody's choice would run within the program that was allowed. */
export const LOADERS_OWN = /^(?:LD_|DYLD_|GLIBC_|GCONV_PATH$|LOCPATH$)/;

export type Asked = Pick<StartSpec, 'command' | 'environment'>;

/**
 * The rule by which this machine's owner refuses a command, whatever the server thinks; null: it may run. A name in the
 * list stands for the program that the owner's PATH has under it: a task that brings a PATH of its own can't replace it.
 * Without a PATH, where programs can't be looked up, the name alone counts.
 */
export function refusingRuleHere(asked: Asked, policy: AgentPolicy, ownPath: string | null): string | null {
  const rule = refusingRule(asked.command, policy);
  if (rule !== null || policy.allowedCommands.length === 0) return rule;
  const loaders = Object.keys(asked.environment).find((name) => LOADERS_OWN.test(name));
  if (loaders !== undefined) return `allowed_commands: ${loaders} is set`;
  return isAllowedHere(asked, policy, ownPath) ? null : 'allowed_commands';
}

function isAllowedHere(asked: Asked, { allowedCommands }: AgentPolicy, ownPath: string | null): boolean {
  const [program = ''] = asked.command;
  if (ownPath === null || program.includes('/')) return allowedCommands.includes(program);
  const path = pathOf(asked.environment, ownPath);
  const found = findProgram(program, path);
  // Nowhere on the owner's own PATH: the start says that it is missing.
  if (found === null) return path === ownPath && allowedCommands.includes(program);
  return allowedCommands.some((one) => found === (one === program ? findProgram(one, ownPath) : one));
}

/** The PATH that a command will have. */
export function pathOf(environment: Asked['environment'], ownPath: string): string {
  return typeof environment.PATH === 'string' ? environment.PATH : ownPath;
}
