import type { ProgressReport, Renewal } from '../../domain/attempt.ts';
import { AppError } from '../../domain/errors.ts';
import type { Holder } from '../../domain/holder.ts';
import { renewLeases, setProgress } from '../../store/leases.ts';
import { transact } from '../../store/transact.ts';
import type { Deps } from '../deps.ts';
import { lockHeld } from './holding.ts';
import { storableProgress } from './storable-result.ts';

/** Renews the lease of a held attempt and tells whether to stop. Until the sweep ended it, a lapsed lease renews too. */
export async function renewAttempt(
  deps: Deps,
  holder: Holder,
  attemptId: string,
  progress: ProgressReport | null,
): Promise<Renewal> {
  const { seconds } = deps.settings.leases;
  const renewed = await transact(deps.hot, async (trx) => {
    const { task } = await lockHeld(trx, holder, attemptId);
    const held = holder.kind === 'agent' ? { agentIds: [holder.agentId] } : { replicaId: holder.replicaId };
    const [row] = await renewLeases(trx, held, [attemptId], seconds);
    if (row === undefined) throw new AppError('lease_lost', 'The attempt is no longer yours.');
    if (progress !== null) await setProgress(trx, attemptId, storableProgress(deps, task, progress));
    return { ...row, taskId: task.id };
  });
  if (progress !== null) deps.wakeups.emit({ kind: 'task', taskId: renewed.taskId });
  return {
    leaseSeconds: seconds,
    leaseExpiresAt: renewed.lease_expires_at,
    stopReason: renewed.stop_reason,
    followed: deps.followers.has(attemptId),
  };
}
