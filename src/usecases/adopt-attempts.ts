import { findAttemptRow } from '../store/attempts.ts';
import {
  forgetOldReplicas,
  holdersOnMachine,
  insertReplica,
  type Replica,
  type ReplicaProcess,
} from '../store/replicas.ts';
import { type Adoptable, adoptableAttempts } from '../store/ssh-attempts.ts';
import { changeTask, lockTask } from '../store/task-changes.ts';
import type { Deps } from './deps.ts';
import { SERVER } from './server-actor.ts';

export type { Replica, ReplicaProcess } from '../store/replicas.ts';

export async function registerReplica(deps: Deps, replica: Replica): Promise<void> {
  await insertReplica(deps.db, replica);
  await forgetOldReplicas(deps.db, replica.id);
}

/**
 * Takes over attempts on hosts that this replica reaches, from replicas that let their lease lapse or are known to be
 * gone from this machine. Answers the attempts that it drives from now on.
 */
export async function adoptAttempts(
  deps: Deps,
  replica: Replica,
  hostIds: readonly string[],
  isGone: (process: ReplicaProcess) => boolean,
): Promise<string[]> {
  if (hostIds.length === 0) return [];
  const neighbours = (await holdersOnMachine(deps.db, replica)).filter(({ id }) => id !== replica.id);
  const gone = neighbours.filter(isGone).map(({ id }) => id);
  const found = await adoptableAttempts(deps.db, hostIds, gone);
  const adopted: string[] = [];
  for (const one of found) if (await adopt(deps, replica.id, one, gone)) adopted.push(one.attemptId);
  return adopted;
}

/** The row as it was seen decides: of two replicas that adopt at once the second finds another holder. */
async function adopt(
  deps: Deps,
  replicaId: string,
  { taskId, attemptId, holder }: Adoptable,
  gone: readonly string[],
): Promise<boolean> {
  const done = await deps.db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (task === null || task.attempt_id !== attemptId || task.holder !== holder) return false;
    const lapsed = task.lease_expires_at !== null && task.lease_expires_at < task.at;
    if (!lapsed && !gone.includes(holder)) return false;
    const attempt = await findAttemptRow(trx, attemptId);
    if (attempt === null || attempt.finished_at !== null) return false;
    return changeTask(
      trx,
      task,
      { holder: replicaId, lease_expires_at: leaseFrom(task.at, deps.settings.leases.seconds) },
      { type: 'reattached', actor: SERVER, attemptId, data: { replica: replicaId } },
    );
  });
  if (done) deps.wakeups.emit({ kind: 'task', taskId });
  return done;
}

const leaseFrom = (at: string, seconds: number): string => new Date(Date.parse(at) + seconds * 1000).toISOString();
