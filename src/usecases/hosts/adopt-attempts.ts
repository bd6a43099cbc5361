import { findAttemptRow } from '../../store/attempts.ts';
import { deleteReplicas, neighboursOf, type Replica, type ReplicaProcess } from '../../store/replicas.ts';
import { type FreeAttempt, freeAttempts, lapseLeasesOf, recordContact } from '../../store/ssh-attempts.ts';
import { changeTask, lockTask } from '../../store/task-changes.ts';
import type { Deps } from '../deps.ts';
import { SERVER } from '../server-actor.ts';

export type { Replica, ReplicaProcess } from '../../store/replicas.ts';
export type { FreeAttempt } from '../../store/ssh-attempts.ts';

/**
 * Attempts on these hosts that nobody drives: their lease has lapsed. Replicas that are gone from this machine let go
 * of theirs here, so that who comes after them need not wait.
 */
export async function findFreeAttempts(
  deps: Deps,
  replica: Replica,
  hostIds: readonly string[],
  isGone: (process: ReplicaProcess) => boolean,
): Promise<FreeAttempt[]> {
  const gone = (await neighboursOf(deps.db, replica)).filter(isGone).map(({ id }) => id);
  // Should we die in between, they are found again.
  await lapseLeasesOf(deps.db, gone);
  if (gone.length > 0) await deleteReplicas(deps.db, gone);
  return freeAttempts(deps.db, hostIds);
}

/**
 * Takes over an attempt about which its host has just answered. The row as it was seen decides: of two replicas that
 * adopt at once the second finds another holder. Answers whether this one drives it from now on.
 */
export async function adoptAttempt(
  deps: Deps,
  replicaId: string,
  { taskId, attemptId, holder }: FreeAttempt,
): Promise<boolean> {
  const done = await deps.db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (task === null || task.attempt_id !== attemptId || task.holder !== holder) return false;
    if (task.lease_expires_at === null || task.lease_expires_at >= task.at) return false;
    const attempt = await findAttemptRow(trx, attemptId);
    if (attempt === null || attempt.finished_at !== null) return false;
    const held = { holder: replicaId, lease_expires_at: leaseFrom(task.at, deps.settings.leases.seconds) };
    const event = { type: 'reattached', actor: SERVER, attemptId, data: { replica: replicaId } } as const;
    if (!(await changeTask(trx, task, held, event))) return false;
    // Should we die before the next answer, the silence before this one must not count against it.
    await recordContact(trx, attemptId, replicaId, { state: 'ok', forSeconds: 0 });
    return true;
  });
  if (done) deps.wakeups.emit({ kind: 'task', taskId });
  return done;
}

const leaseFrom = (at: string, seconds: number): string => new Date(Date.parse(at) + seconds * 1000).toISOString();
