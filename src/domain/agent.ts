import type { Json } from './canonical-json.ts';
import type { AgentMode } from './task.ts';

export const AGENT_STATES = ['online', 'offline', 'cordoned'] as const;
export type AgentState = (typeof AGENT_STATES)[number];
export type StateReason = { code: string; message: string; since: string };

/** Whoever does tasks: a program that pulls, or a configured host. */
export type Agent = {
  id: string;
  name: string;
  executionMode: AgentMode;
  online: boolean;
  stateReason: StateReason | null;
  cordoned: boolean;
  cordonReason: string | null;
  draining: boolean;
  labels: string[];
  capacity: number;
  /** Places taken: open and unsettled attempts. */
  running: number;
  lastSeenAt: string | null;
  version: string | null;
  metrics: Record<string, Json> | null;
  createdAt: string;
};

export const agentState = (agent: Pick<Agent, 'online' | 'cordoned'>): AgentState => {
  if (agent.cordoned) return 'cordoned';
  return agent.online ? 'online' : 'offline';
};

/** A host as the configuration file describes it; the key material stays with the SSH executor. */
export type HostDefinition = { id: string; labels: readonly string[]; capacity: number };
