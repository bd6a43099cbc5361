import type { Json } from './canonical-json.ts';
import type { AgentMode } from './task.ts';

const AGENT_STATES = ['online', 'offline', 'cordoned'] as const;
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
  /** From where it, and its commands, may call; none: from anywhere. */
  allowedNetworks: string[];
  labels: string[];
  capacity: number;
  /** Places taken: open and unsettled attempts. */
  running: number;
  lastSeenAt: string | null;
  version: string | null;
  metrics: Record<string, Json> | null;
  createdAt: string;
};

/** A pull agent that wasn't heard of for so many of its beats is offline, and another process may be let in for it. */
export const SILENT_BEATS = 3;
/** A sign of life is not noted again before this part of a beat is over. */
export const SEEN_BEATS = 0.5;

/** Why a host isn't used: nobody answers there, or who answers isn't it, doesn't let us in, or can't take work. */
export const HOST_REASONS = [
  'unreachable',
  'host_key',
  'auth',
  'noise',
  'shell',
  'home',
  'disk_full',
  'duplicate_store',
] as const;

/** A host that may be another machine than the one meant: it is parked, as if somebody had cordoned it. */
export const PARKING_REASONS: readonly string[] = ['host_key', 'duplicate_store'];

export const agentState = (agent: Pick<Agent, 'online' | 'cordoned' | 'stateReason'>): AgentState => {
  if (agent.cordoned) return 'cordoned';
  if (agent.online) return 'online';
  return PARKING_REASONS.includes(agent.stateReason?.code ?? '') ? 'cordoned' : 'offline';
};

/** A host as the configuration file describes it; the key material stays with the SSH executor. */
export type HostDefinition = { id: string; labels: readonly string[]; capacity: number };

/** What an agent said last of its machine. */
export type MachineFigures = { name: string; metrics: Record<string, Json> };
