import type { ProgressReport } from '../../domain/attempt.ts';
import { notFound } from '../../domain/errors.ts';
import type { Holder } from '../../domain/holder.ts';
import { findAttemptRow } from '../../store/attempts.ts';
import { setProgress } from '../../store/leases.ts';
import { findTask } from '../../store/tasks.ts';
import type { Deps } from '../deps.ts';
import { fenced, lockHeld } from './holding.ts';
import { storableProgress } from './storable-result.ts';

/** Keeps how far an attempt has come; the token of the attempt may say it over SSH too. */
export async function reportProgress(
  deps: Deps,
  holder: Holder,
  attemptId: string,
  progress: ProgressReport,
): Promise<void> {
  const attempt = await findAttemptRow(deps.db, attemptId);
  if (attempt === null) throw notFound('attempt');
  await deps.db.transaction().execute(async (trx) => {
    // Over SSH the replica holds the lease, and the attempt's own token speaks for what runs on the host.
    const ownToken = holder.kind === 'agent' && holder.attemptId === attemptId && attempt.execution_mode === 'ssh_cli';
    if (!ownToken) await lockHeld(trx, holder, attemptId);
    const task = await findTask(trx, attempt.task_id);
    if (task && (await setProgress(trx, attemptId, storableProgress(deps, task, progress)))) return;
    throw fenced((await findAttemptRow(trx, attemptId)) ?? attempt);
  });
  deps.wakeups.emit({ kind: 'task', taskId: attempt.task_id });
}
