import { recordHeartbeat } from '../../store/heartbeats.ts';
import { readInstallation } from '../../store/installation.ts';
import { renewLeases } from '../../store/leases.ts';
import type { Deps } from '../deps.ts';

export type Heartbeat = {
  attemptIds: readonly string[];
  draining: 'drain' | 'store_full' | null;
  metrics: Readonly<Record<string, unknown>> | null;
};
export type HeartbeatAnswer = {
  renewed: { attemptId: string; leaseExpiresAt: string }[];
  cancel: { attemptId: string; reason: string }[];
  lost: string[];
  followed: string[];
  draining: boolean;
  generation: number;
};

/** Renews all that an agent holds, and tells which it is to stop and which it holds no more. */
export async function heartbeat(deps: Deps, agentId: string, beat: Heartbeat): Promise<HeartbeatAnswer> {
  const { draining } = await recordHeartbeat(deps.db, agentId, beat);
  const rows = await renewLeases(deps.db, { agentIds: [agentId] }, beat.attemptIds, deps.settings.leases.seconds);
  const held = new Set(rows.map((row) => row.attempt_id));
  const { generation } = await readInstallation(deps.db);
  return {
    renewed: rows.map((row) => ({ attemptId: row.attempt_id, leaseExpiresAt: row.lease_expires_at })),
    cancel: rows.flatMap((row) => (row.stop_reason ? [{ attemptId: row.attempt_id, reason: row.stop_reason }] : [])),
    lost: beat.attemptIds.filter((id) => !held.has(id)),
    followed: beat.attemptIds.filter((id) => deps.followers.has(id)),
    draining,
    generation,
  };
}
