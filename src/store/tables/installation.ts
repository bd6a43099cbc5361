import type { Generated } from 'kysely';
import type { Time } from './columns.ts';

/* The installation itself, and the replicas that serve it. */

export type InstallationTable = {
  only_row: Generated<boolean>;
  id: string;
  generation: Generated<number>;
  secret: Buffer;
  ageing_seconds_per_level: number | null;
  reranked_up_to: string | null;
  created_at: Generated<Time>;
};

export type BeatTable = { only_row: Generated<boolean>; at: Time; previous_at: Time; up_since: Time };

export type ReplicasTable = {
  id: string;
  boot_id: string;
  pid_namespace: string;
  pid: number;
  process_started_at: string;
  started_at: Generated<Time>;
  seen_at: Generated<Time>;
  host_ids: Generated<string[]>;
};
