import type { Generated } from 'kysely';
import type { Json } from '../../domain/canonical-json.ts';
import type { Decision, RuleVerdict } from '../../domain/delivery.ts';
import type { JsonOf, Time } from './columns.ts';

/* What forges sent, and what became of it. */

export type DeliveriesTable = {
  id: string;
  forge: string;
  forge_uuid: string | null;
  event_type: string;
  action: string | null;
  repository: string | null;
  sender: string | null;
  received_at: Generated<Time>;
  headers: JsonOf<Record<string, string>>;
  body: Buffer;
  body_hash: Buffer;
  decision: Decision;
  reason: string;
  rules: JsonOf<RuleVerdict[]>;
  facts: JsonOf<Record<string, Json>>;
  task_ids: string[];
  duplicate_of: string | null;
};

export type EffectsTable = { forge: string; kind: string; object: string; template: string; task_id: string };

export type IssueStateTable = {
  forge: string;
  repository_id: number;
  issue: number;
  labels: string[];
  episodes: JsonOf<Record<string, number>>;
  observed_at: Time;
  uncertain: Generated<boolean>;
};
