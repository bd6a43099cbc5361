import { linearPattern } from './linear-pattern.ts';
import { isWithin, type Placed, type Restriction } from './restriction.ts';
import { LIMIT_NAMES, type Limits, type Sandbox } from './task.ts';

/** What an agent refuses: commands beside the allowed ones (none listed: all are), and what a pattern denies. */
export type AgentPolicy = { allowedCommands: readonly string[]; deniedPatterns: readonly string[] };

/** What an agent said of its machine (null: it said nothing, so nothing is known to be missing), and what it is for. */
export type Abilities = {
  limits: readonly string[] | null;
  sandboxes: readonly string[] | null;
  policy: AgentPolicy | null;
  /** Given by the token that it was made with; null: for all tasks. */
  restriction: Restriction | null;
};

export const SAYS_NOTHING: Abilities = { limits: null, sandboxes: null, policy: null, restriction: null };

/** What a task asks of its machine. */
export type Demands = Placed & { command: readonly string[]; limits: Limits | null; sandbox: Sandbox };

/** The limits that a machine must be able to keep; what a task costs is counted elsewhere. */
const MACHINE_LIMITS = ['cpuPercent', 'memoryBytes', 'processes', 'fileSizeBytes'] as const satisfies (keyof Limits)[];

/** Whether an agent would run this, as far as it has said beforehand. Whoever gives out tasks asks this. */
export const mayRun = (task: Demands, agent: Abilities): boolean =>
  isWithin(agent.restriction, task) &&
  missingAbilities(task, agent).length === 0 &&
  refusingRule(task.command, agent.policy) === null;

/** Limits, and the sandbox, that a task asks for and the agent said it hasn't. */
export function missingAbilities(
  { limits, sandbox }: Pick<Demands, 'limits' | 'sandbox'>,
  agent: Pick<Abilities, 'limits' | 'sandboxes'>,
): string[] {
  const wanted = MACHINE_LIMITS.filter((name) => (limits?.[name] ?? null) !== null);
  const missing = wanted.map((name) => LIMIT_NAMES[name]).filter((name) => agent.limits?.includes(name) === false);
  return sandbox !== 'none' && agent.sandboxes?.includes(sandbox) === false ? [...missing, sandbox] : missing;
}

/** The rule by which an agent refuses a command, as its error would name it; null: it refuses it by none. */
export function refusingRule(command: readonly string[], policy: AgentPolicy | null): string | null {
  if (policy === null) return null;
  if (!isAllowed(command[0] ?? '', policy.allowedCommands)) return 'allowed_commands';
  const line = command.join(' ');
  const denying = policy.deniedPatterns.find((pattern) => linearPattern(pattern)?.test(line) ?? true);
  return denying === undefined ? null : `denied_patterns: ${denying}`;
}

/**
 * A program with a path is compared exactly, one without by its name. A path in the list may be what the name is found
 * as on the machine's PATH: only the machine can tell, so it isn't refused here.
 */
function isAllowed(program: string, allowed: readonly string[]): boolean {
  if (allowed.length === 0 || allowed.includes(program)) return true;
  return !program.includes('/') && allowed.some((one) => one.endsWith(`/${program}`));
}
