import type { Transaction } from 'kysely';
import { isMet } from '../../domain/dependency.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { type Actor, isFinal, type Status, type Task } from '../../domain/task.ts';
import { isStillThere } from '../../store/agents.ts';
import { forgetAvoidances } from '../../store/avoidances.ts';
import { announceFinished, lockDependencies } from '../../store/dependencies.ts';
import { recountDependencies } from '../../store/dependency-recount.ts';
import { openGates } from '../../store/gates.ts';
import { laneOf } from '../../store/lanes.ts';
import type { Database } from '../../store/schema.ts';
import { changeTask, type LockedTask, lockTask, type TaskPatch } from '../../store/task-changes.ts';
import { findTask } from '../../store/tasks.ts';
import { findChanged } from '../attempt/find-changed.ts';
import { pendingAgain } from '../attempt/pending-again.ts';
import { unnameIfDeleted } from '../attempt/unname-tasks.ts';
import type { Deps } from '../deps.ts';

type Trx = Transaction<Database>;

/**
 * Makes a failed or cancelled task pending again, the only way out of a final status: with fresh budgets, waiting for
 * what it waits for as a new task would. Tasks that were cancelled because of it stay so. Throws `status_not_allowed`.
 */
export async function retryTask(deps: Deps, actor: Actor, taskId: string): Promise<Task> {
  const before = await findTask(deps.db, taskId);
  if (before === null) throw notFound('task');
  if (before.namedAgentId !== null) {
    // For the case that its agent is gone: within the transaction it is found.
    await laneOf(deps.db, { requires: before.requires, repository: before.repository, agentId: null });
  }
  await deps.db.transaction().execute((trx) => retry(trx, actor, before));
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'ended' }, { kind: 'task', taskId });
  return findChanged(deps, taskId);
}

/** Locks the agent that is named, then the task with all that it depends on, and takes its key last, as everywhere. */
async function retry(trx: Trx, actor: Actor, before: Task): Promise<void> {
  if (before.namedAgentId !== null) await isStillThere(trx, before.namedAgentId);
  const standing = await lockDependencies(trx, [...before.dependsOn, before.id]);
  const task = await lockTask(trx, before.id);
  if (task === null) throw notFound('task');
  if (task.status !== 'failed' && task.status !== 'cancelled') {
    throw new AppError(
      'status_not_allowed',
      `The task is ${task.status}; only one that failed or was cancelled can be retried.`,
    );
  }
  standing.delete(task.id);
  const unmet = await recount(trx, task, standing);
  await changeTask(trx, task, fresh(task, unmet), { type: 'retried', actor, attemptId: task.attempt_id });
  await forgetAvoidances(trx, task.id);
  await unnameIfDeleted(trx, task);
  await openGates(trx, [task.id]);
}

/** How many dependencies are unmet now. Those that have failed for good are told to it again, as to a new task. */
async function recount(trx: Trx, task: LockedTask, standing: ReadonlyMap<string, Status>): Promise<number> {
  if (task.depends_on.length === 0) return 0;
  const met = new Map([...standing].map(([id, status]) => [id, isMet(status, task.on_dependency_failure)]));
  const unmet = await recountDependencies(trx, task.id, met);
  const failed = [...standing].filter(([id, status]) => isFinal(status) && met.get(id) === false);
  await announceFinished(
    trx,
    failed.map(([id]) => id),
  );
  return unmet;
}

/** As it was asked for at its creation, or as the agent is reached that it names. Ready once its gates are open. */
const fresh = (task: LockedTask, unmet: number): TaskPatch => ({
  ...pendingAgain(task),
  retries: 0,
  infra_retries: 0,
  preemptions: 0,
  unmet_dependencies: unmet,
  ready: false,
  ready_at: null,
  due_at: task.run_after !== null && task.run_after > task.at ? task.run_after : null,
});
