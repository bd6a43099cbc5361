import type { Transaction } from 'kysely';
import { AppError, notFound } from '../domain/errors.ts';
import type { Holder } from '../domain/holder.ts';
import { isTaken } from '../domain/task.ts';
import { findAttemptRow } from '../store/attempts.ts';
import type { AttemptRow, Database } from '../store/schema.ts';
import { type LockedTask, lockTask } from '../store/task-changes.ts';

/** An attempt and its task, the task's row locked. */
export type Held = { task: LockedTask; attempt: AttemptRow };

/**
 * Locks the task of an attempt and makes sure that the caller holds it: the fence of every write about an attempt.
 * Throws `not_found` for one that the caller never held, `attempt_finished` or `lease_lost` for one that it held.
 */
export async function lockHeld(trx: Transaction<Database>, holder: Holder, attemptId: string): Promise<Held> {
  const held = await lockOwn(trx, holder, attemptId);
  if (held === null) throw notFound('attempt');
  if (!isHeld(held, holder)) throw fenced(held.attempt);
  return held;
}

/** The same without the fence: null for an attempt that this database doesn't know. */
export async function lockOwn(trx: Transaction<Database>, holder: Holder, attemptId: string): Promise<Held | null> {
  const known = await findAttemptRow(trx, attemptId);
  if (known === null) return null;
  checkOwner(known, holder);
  const task = await lockTask(trx, known.task_id);
  // Read again: what the lock waited for may have ended the attempt.
  const attempt = await findAttemptRow(trx, attemptId);
  return task && attempt ? { task, attempt } : null;
}

function checkOwner(attempt: AttemptRow, holder: Holder): void {
  if (holder.kind === 'replica') return;
  if (attempt.agent_id !== holder.agentId) throw notFound('attempt');
  if (holder.attemptId !== null && holder.attemptId !== attempt.id) {
    throw new AppError('forbidden', 'This token is for another attempt.');
  }
  if (attempt.execution_mode === 'ssh_cli') {
    throw new AppError('forbidden', 'The server itself holds the lease of an attempt over SSH.');
  }
}

/** Current, open and, over SSH, driven by this very replica: attempt and holder are both the fence. */
export const isHeld = ({ task, attempt }: Held, holder: Holder): boolean =>
  attempt.finished_at === null &&
  task.attempt_id === attempt.id &&
  isTaken(task.status) &&
  (holder.kind === 'agent' || task.holder === holder.replicaId);

export const fenced = (attempt: AttemptRow): AppError =>
  attempt.said_hash === null
    ? new AppError('lease_lost', 'The attempt was ended by the server; nothing was changed.')
    : new AppError('attempt_finished', 'The attempt was ended by its holder already.');
