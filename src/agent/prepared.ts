import type { Abilities } from './bounds/abilities.ts';
import type { Sandboxes } from './bounds/sandboxes.ts';
import type { AgentConfig } from './config.ts';
import type { Known } from './identity.ts';

/** All that a start finds out before the agent goes to work; text survives the way to whatever goes on with it. */
export type Prepared = {
  /** Of the program that has found it out. */
  version: string;
  config: AgentConfig;
  abilities: Abilities;
  sandboxes: Sandboxes;
  known: Known;
  startedAt: string;
  /** Whoever started the agent was told that it is online. */
  isSaid: boolean;
  /** How long the agent rests with what it needed to work. */
  restMs: number;
};
