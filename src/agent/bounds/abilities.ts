import type { AgentConfig } from '../config.ts';
import { CONTAINER_LIMITS } from './container.ts';
import { namesOf, type Sandboxes } from './sandboxes.ts';

/** What the machine can do, as the server is told; it gives out no task that asks for more. */
export type Abilities = { limits: string[]; sandboxes: string[] };

export function abilitiesOf({ sandbox }: Pick<AgentConfig, 'sandbox'>, sandboxes: Sandboxes): Abilities {
  return { limits: sandbox === 'container' ? CONTAINER_LIMITS : [], sandboxes: namesOf(sandboxes) };
}
