import type { Generated } from 'kysely';
import type { StateReason } from '../../domain/agent.ts';
import type { Json } from '../../domain/canonical-json.ts';
import type { AgentPolicy } from '../../domain/may-run.ts';
import type { Restriction } from '../../domain/restriction.ts';
import type { AgentMode } from '../../domain/task.ts';
import type { Scope } from '../../domain/token.ts';
import type { JsonOrNull, Time } from './columns.ts';

/* Who does tasks, who may ask, and which lanes there are. */

export type AgentsTable = {
  id: string;
  name: string;
  execution_mode: AgentMode;
  labels: string[];
  capacity: number;
  online: Generated<boolean>;
  state_reason: JsonOrNull<StateReason>;
  cordoned: Generated<boolean>;
  cordon_reason: string | null;
  draining: Generated<boolean>;
  says_draining: string | null;
  version: string | null;
  metrics: JsonOrNull<Record<string, Json>>;
  last_seen_at: Time | null;
  created_at: Generated<Time>;
  deleted_at: Time | null;
  limits: string[] | null;
  sandboxes: string[] | null;
  policy: JsonOrNull<AgentPolicy>;
  own_failures: Generated<string[]>;
  isolated_at: Time | null;
  public_key: string | null;
  instance_store: string | null;
  instance_start: number | null;
  instance_nonce: string | null;
  instance_seen_at: Time | null;
  seen_by: string | null;
  restriction: JsonOrNull<Restriction>;
  allowed_networks: Generated<string[]>;
  counted_from: Generated<number>;
};

export type TokensTable = {
  id: string;
  name: string;
  scope: Scope;
  hash: Buffer;
  agent_id: string | null;
  expires_at: Time | null;
  last_used_at: Time | null;
  created_at: Generated<Time>;
  revoked_at: Time | null;
  restriction: JsonOrNull<Restriction>;
};

export type LanesTable = {
  id: Generated<number>;
  requires: string[];
  repository: string | null;
  agent_id: string | null;
  host_matched_at: Time | null;
};
