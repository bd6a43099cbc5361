import type { Transaction } from 'kysely';
import { AppError, notFound } from '../../domain/errors.ts';
import type { Holder } from '../../domain/holder.ts';
import { type Actor, isTaken } from '../../domain/task.ts';
import { findAttemptRow, findAttemptRows } from '../../store/attempts.ts';
import type { AttemptRow, Database } from '../../store/schema.ts';
import { type LockedTask, lockTaskOfAttempt, lockTasksOfAttempts } from '../../store/task-changes.ts';
import { inOrder } from '../../store/transact.ts';

type Trx = Transaction<Database>;

/** An attempt and its task, the task's row locked. */
export type Held = { task: LockedTask; attempt: AttemptRow };

/**
 * Locks the task of an attempt and makes sure that the caller holds it: the fence of every write about an attempt.
 * Throws `not_found` for one that the caller never held, `attempt_finished` or `lease_lost` for one that it held.
 */
export async function lockHeld(trx: Trx, holder: Holder, attemptId: string): Promise<Held> {
  const held = await lockOwn(trx, holder, attemptId);
  if (held === null) throw notFound('attempt');
  if (!isHeld(held, holder)) throw fenced(held.attempt);
  return held;
}

/** The same without the fence: null for an attempt that this database doesn't know. */
export async function lockOwn(trx: Trx, holder: Holder, attemptId: string): Promise<Held | null> {
  const [held = null] = await lockAllOwn(trx, [{ holder, attemptId }]);
  if (held instanceof AppError) throw held;
  return held;
}

/**
 * The same for several at once, in the order given: an error stands in the place of one that its caller may not touch.
 */
export async function lockAllOwn(
  trx: Trx,
  claims: readonly { holder: Holder; attemptId: string }[],
): Promise<(Held | AppError | null)[]> {
  const claimed = claims.map(({ holder, attemptId }) => ({
    attemptId,
    agentId: holder.kind === 'agent' ? holder.agentId : null,
  }));
  const [tasks, attempts] = await inOrder(
    lockTasksOfAttempts(trx, claimed),
    // Behind the lock: what that waited for may have ended the attempt.
    findAttemptRows(
      trx,
      claimed.map(({ attemptId }) => attemptId),
    ),
  );
  const taskOf = new Map(tasks.map((task) => [task.id, task]));
  return claims.map(({ attemptId, holder }) => {
    const attempt = attempts.get(attemptId);
    const task = attempt && taskOf.get(attempt.task_id);
    return refusalOf(attempt, holder) ?? (task && attempt ? { task, attempt } : null);
  });
}

function refusalOf(attempt: AttemptRow | undefined, holder: Holder): AppError | null {
  if (attempt === undefined || holder.kind === 'replica') return null;
  if (attempt.agent_id !== holder.agentId) return notFound('attempt');
  if (holder.attemptId !== null && holder.attemptId !== attempt.id) {
    return new AppError('forbidden', 'This token is for another attempt.');
  }
  return attempt.execution_mode === 'ssh_cli'
    ? new AppError('forbidden', 'The server itself holds the lease of an attempt over SSH.')
    : null;
}

/** Of the server itself, which holds nothing: null unless the attempt is open and its task's current one. */
export async function lockOpen(trx: Trx, attemptId: string): Promise<Held | null> {
  const task = await lockTaskOfAttempt(trx, attemptId);
  const attempt = task && (await findAttemptRow(trx, attemptId));
  if (!attempt || task.attempt_id !== attemptId || attempt.finished_at !== null) return null;
  return { task, attempt };
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

/** Who stands in the history for what a holder does. */
export const actorOf = (holder: Holder): Actor =>
  holder.kind === 'agent' ? { kind: 'agent', id: holder.agentId } : { kind: 'server', id: holder.replicaId };
