import type { Register } from '../contract/agent.ts';
import type { AgentConfig } from './config.ts';
import type { ServerClient } from './http.ts';
import type { Registration, Self } from './identity.ts';
import type { ServerClock } from './server-clock.ts';

/** What the machine can do, so that the server needn't try. */
export type Abilities = Pick<Register, 'limits' | 'sandboxes'>;

export type RegisterDeps = {
  config: AgentConfig;
  client: ServerClient;
  clock: ServerClock;
  version: string;
  abilities: Abilities;
};

/** What we say of ourselves. The name is what the server calls us, for good. */
export function registrationOf({ config, version, abilities }: RegisterDeps, { keys, identity }: Self): Registration {
  const { allowedCommands, deniedPatterns } = config.policy;
  return {
    name: identity?.registered?.name ?? config.name,
    labels: [...config.labels],
    capacity: config.capacity,
    version,
    public_key: keys.publicKey,
    ...abilities,
    policy: { allowed_commands: [...allowedCommands], denied_patterns: [...deniedPatterns] },
  };
}
