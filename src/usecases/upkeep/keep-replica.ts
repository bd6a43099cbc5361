import {
  deleteReplicas,
  deleteSilentReplicas,
  keepReplica as keep,
  type Replica,
  reviveHosts,
} from '../../store/replicas.ts';
import { lapseLeasesOf } from '../../store/ssh-attempts.ts';
import type { Deps } from '../deps.ts';
import { dropHosts } from '../hosts/sync-hosts.ts';

const FORGOTTEN_SECONDS = 86_400;

/**
 * Says that a replica is there and which hosts its file has: at its start, and again and again. Hosts that no replica
 * has in its file any more go then, and those of this one come back that another deleted before it had heard of it.
 */
export async function keepReplica(deps: Deps, replica: Replica, hostIds: readonly string[]): Promise<void> {
  await keep(deps.db, replica, hostIds);
  await deleteSilentReplicas(deps.db, FORGOTTEN_SECONDS);
  if ((await reviveHosts(deps.db, hostIds)) > 0) deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
  await dropHosts(deps);
}

/** A replica stops: it lets go of all that it drives, and whoever comes next may go on at once. */
export async function leaveAsReplica(deps: Deps, replicaId: string): Promise<void> {
  await lapseLeasesOf(deps.db, [replicaId]);
  await deleteReplicas(deps.db, [replicaId]);
}
