import { BLANK_RESULT, type Result } from '../../domain/attempt.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { type Actor, isTaken, type Task } from '../../domain/task.ts';
import { findAttemptRow } from '../../store/attempts.ts';
import { lockTask } from '../../store/task-changes.ts';
import { endHeld } from '../attempt/end-attempt.ts';
import { findChanged } from '../attempt/find-changed.ts';
import type { Deps } from '../deps.ts';
import { askCancel } from './cancel-task.ts';

/**
 * Ends a task at once although its host can't be asked, which only a person decides: what may still run there is not
 * proven to have ended, so the attempt keeps its place until the host was asked. Throws `status_not_allowed` unless the
 * host of its attempt is out of reach; asked again it answers the same.
 */
export async function cancelByForce(deps: Deps, actor: Actor, taskId: string, reason: string | null): Promise<Task> {
  await deps.db.transaction().execute(async (trx) => {
    const asked = await lockTask(trx, taskId);
    if (asked === null) throw notFound('task');
    if (asked.status === 'cancelled') return;
    const attempt = asked.attempt_id === null ? null : await findAttemptRow(trx, asked.attempt_id);
    if (!isTaken(asked.status) || attempt?.contact?.state !== 'unreachable') throw notOutOfReach(asked.status);
    if (asked.stop_reason !== 'cancel') await askCancel(trx, asked, actor, { reason, force: true });
    const task = await lockTask(trx, taskId);
    if (task === null) throw notFound('task');
    // Where no start was ever sent nothing can run.
    const settled = attempt.dead_by === null;
    const held = { task, attempt: { ...attempt, proof: settled ? null : ('unknown' as const) } };
    await endHeld(trx, deps, held, unproven(attempt.agent_id), { actor, saidHash: null, settled });
  });
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'ended' }, { kind: 'task', taskId });
  return findChanged(deps, taskId);
}

const notOutOfReach = (status: string): AppError =>
  new AppError(
    'status_not_allowed',
    `The task is ${status} and its host is not out of reach; force is for an attempt whose host can't be asked.`,
  );

const unproven = (hostId: string): Result => ({
  ...BLANK_RESULT,
  outcome: 'cancelled',
  error: `cancelled by force while host ${hostId} was out of reach; what it ran is not proven to have ended`,
});
