import type { Transaction } from 'kysely';
import type { Json } from '../../domain/canonical-json.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { normalizeLabels } from '../../domain/match.ts';
import type { Actor, Task } from '../../domain/task.ts';
import { checkVersion, type Versions } from '../../domain/versions.ts';
import { openGates, passOnKey } from '../../store/gates.ts';
import { laneOf } from '../../store/lanes.ts';
import { rerank } from '../../store/ranks.ts';
import type { Database } from '../../store/schema.ts';
import { changeTask, type LockedTask, lockTask, type TaskPatch } from '../../store/task-changes.ts';
import { findTask } from '../../store/tasks.ts';
import { findChanged } from '../attempt/find-changed.ts';
import type { Deps } from '../deps.ts';

export type TaskWish = {
  title?: string | undefined;
  priority?: number | undefined;
  /** Null: as soon as it can. */
  runAfter?: string | null | undefined;
  requires?: readonly string[] | undefined;
};

/**
 * Changes what was asked for and is different, of a task that is pending and whose version is among those given. Its
 * place in the order, its lane and its gates follow. Throws `status_not_allowed` and `version_mismatch`.
 */
export async function patchTask(
  deps: Deps,
  actor: Actor,
  taskId: string,
  wish: TaskWish,
  versions: Versions,
): Promise<Task> {
  const requires = wish.requires && normalizeLabels(wish.requires);
  const newLane = requires === undefined ? null : await laneFor(deps, taskId, requires);
  await deps.db.transaction().execute(async (trx) => {
    const task = await lockTask(trx, taskId);
    if (task === null) throw notFound('task');
    if (task.status !== 'pending') {
      throw new AppError('status_not_allowed', `The task is ${task.status}; only a pending task can be changed.`);
    }
    checkVersion(versions, task.version);
    const changes = changesOf(task, { ...wish, requires });
    if (Object.keys(changes).length > 0) await change(trx, deps, task, changes, { actor, newLane });
  });
  deps.wakeups.emit({ kind: 'ready' }, { kind: 'task', taskId });
  return findChanged(deps, taskId);
}

/** The lane stands outside the transaction, as for a new task. */
async function laneFor(deps: Deps, taskId: string, requires: readonly string[]): Promise<number> {
  const before = await findTask(deps.db, taskId);
  if (before === null) throw notFound('task');
  return laneOf(deps.db, { requires, repository: before.repository, agentId: null });
}

type Changes = Partial<Pick<LockedTask, 'title' | 'priority' | 'run_after' | 'requires'>>;

/** What is asked for and different; labels are in one order on both sides. */
function changesOf(task: LockedTask, wish: TaskWish): Changes {
  const asked = { title: wish.title, priority: wish.priority, run_after: wish.runAfter, requires: wish.requires };
  const different = Object.entries(asked).filter(
    ([name, value]) => value !== undefined && `${value}` !== `${task[name as keyof Changes]}`,
  );
  return Object.fromEntries(different);
}

async function change(
  trx: Transaction<Database>,
  { settings }: Deps,
  task: LockedTask,
  changes: Changes,
  { actor, newLane }: { actor: Actor; newLane: number | null },
): Promise<void> {
  // A task that names an agent stands in the agent's lane, whatever it requires.
  const lane =
    changes.requires === undefined || newLane === null || task.named_agent_id !== null ? {} : { lane: newLane };
  const time = changes.run_after === undefined ? {} : dueAt(task, changes.run_after);
  const patch: TaskPatch = { ...changes, ...lane, ...time, version: task.version + 1 };
  await changeTask(trx, task, patch, { type: 'changed', actor, data: told(task, changes) });
  if (changes.priority !== undefined || changes.run_after !== undefined) {
    await rerank(trx, task.id, settings.dispatch.ageingSecondsPerLevel);
  }
  if (patch.ready === false && task.concurrency_key !== null) await passOnKey(trx, task.concurrency_key, task.id);
  await openGates(trx, [task.id]);
}

/** A person's word on when it may run stands in place of the delay before a new try, too. */
function dueAt(task: LockedTask, runAfter: string | null): TaskPatch {
  if (runAfter === null || runAfter <= task.at) return { due_at: null };
  return { due_at: runAfter, ready: false, ready_at: null };
}

const told = (task: LockedTask, changes: Changes): { [field: string]: Json } =>
  Object.fromEntries(
    Object.entries(changes).map(([name, to]) => [name, { from: task[name as keyof Changes] as Json, to }]),
  );
