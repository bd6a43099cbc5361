import type { Transaction } from 'kysely';
import type { Result } from '../domain/attempt.ts';
import { AppError } from '../domain/errors.ts';
import type { Holder } from '../domain/holder.ts';
import { type Actor, isFinal, type Status } from '../domain/task.ts';
import { keepLateResult } from '../store/late-results.ts';
import type { Database } from '../store/schema.ts';
import { changeTask } from '../store/task-changes.ts';
import type { Deps } from './deps.ts';
import { endHeld } from './end-attempt.ts';
import { fenced, type Held, isHeld, lockOwn } from './holding.ts';
import { storableResult } from './storable-result.ts';

export type Completed = { taskId: string; taskStatus: Status };

/**
 * The holder says how its attempt ended. Saying the same again is answered the same. A result that comes when the
 * server has ended the attempt changes nothing, and is kept as evidence.
 */
export async function completeAttempt(
  deps: Deps,
  holder: Holder,
  attemptId: string,
  given: Result,
  said: { hash: string },
): Promise<Completed> {
  const answer = await deps.db.transaction().execute(async (trx): Promise<Completed | AppError> => {
    const held = await lockOwn(trx, holder, attemptId);
    if (held === null) return new AppError('lease_lost', 'This database does not know the attempt.');
    const result = storableResult(deps, held.task, given);
    if (!isHeld(held, holder)) return afterTheEnd(trx, held, holder, result, said.hash);
    checkSayable(held, result);
    const status = await endHeld(trx, deps, held, result, {
      actor: actorOf(holder),
      saidHash: said.hash,
      settled: true,
    });
    return { taskId: held.task.id, taskStatus: status };
  });
  if (answer instanceof AppError) throw answer;
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'task', taskId: answer.taskId }, { kind: 'log', attemptId });
  if (isFinal(answer.taskStatus)) deps.wakeups.emit({ kind: 'ended' });
  return answer;
}

export const actorOf = (holder: Holder): Actor =>
  holder.kind === 'agent' ? { kind: 'agent', id: holder.agentId } : { kind: 'server', id: holder.replicaId };

/** Handing back means that nothing was started; once a process was reported that can't be said any more. */
function checkSayable({ attempt }: Held, result: Result): void {
  if (result.outcome !== 'released' || attempt.process === null) return;
  throw new AppError('status_not_allowed', 'A process was reported for this attempt, so it cannot be handed back.');
}

async function afterTheEnd(
  trx: Transaction<Database>,
  held: Held,
  holder: Holder,
  result: Result,
  hash: string,
): Promise<Completed | AppError> {
  const { task, attempt } = held;
  if (attempt.said_hash === hash) return { taskId: task.id, taskStatus: task.status };
  if (attempt.said_hash === null && (await keepLateResult(trx, attempt.id, result, hash))) {
    await changeTask(
      trx,
      task,
      {},
      {
        type: 'late_result',
        actor: actorOf(holder),
        attemptId: attempt.id,
        data: { outcome: result.outcome, exit_code: result.exitCode },
      },
    );
  }
  return fenced(attempt);
}
