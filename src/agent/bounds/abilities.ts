import { LIMIT_NAMES, type Limits } from '../../domain/task.ts';
import type { AgentConfig } from '../config.ts';
import { AgentError } from '../exit.ts';
import { CONTAINER_LIMITS } from './container.ts';
import { findLimits, type KeptLimits, namesOfKept } from './limits.ts';
import { findSandboxes, namesOf, type Sandboxes, whyMissing } from './sandboxes.ts';

/** What the machine can do, as the server is told; it gives out no task that asks for more. */
export type Abilities = { limits: string[]; sandboxes: string[] };

/** Tries what the machine can do. @throws {AgentError} when that is less than the settings ask for every command */
export async function findAbilities(
  config: AgentConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ abilities: Abilities; sandboxes: Sandboxes }> {
  const inContainers = config.sandbox === 'container';
  const [sandboxes, kept] = await Promise.all([
    findSandboxes(config, env),
    inContainers ? null : findLimits(config.workDir),
  ]);
  const reason = whyMissing(sandboxes, config.sandbox);
  if (reason !== null) throw new AgentError(`the sandbox ${config.sandbox} is not to be had here: ${reason}`);
  if (kept !== null) refuseUnkept(config.limits, kept);
  const limits = kept === null ? CONTAINER_LIMITS : namesOfKept(kept);
  return { abilities: { limits, sandboxes: namesOf(sandboxes) }, sandboxes };
}

function refuseUnkept(asked: Limits, kept: KeptLimits): void {
  for (const [limit, reason] of Object.entries(kept) as [keyof KeptLimits, string | null][]) {
    if (asked[limit] === null || reason === null) continue;
    throw new AgentError(`limits.${LIMIT_NAMES[limit]} is set, and not to be had here: ${reason}`);
  }
}
