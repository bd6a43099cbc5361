import { findCycle } from '../domain/cycle.ts';
import { AppError } from '../domain/errors.ts';
import { normalizeLabels } from '../domain/match.ts';
import type { Actor, NewTask, Task } from '../domain/task.ts';
import { violates } from '../store/database-errors.ts';
import { createdHashes, findKey, type KeyUse, useKey } from '../store/idempotency.ts';
import type { LaneKey } from '../store/lanes.ts';
import type { TaskRow } from '../store/schema.ts';
import { findTasks, newTaskOf } from '../store/tasks.ts';
import type { Deps } from './deps.ts';
import { insertNewTasks, type Planned, plan } from './insert-tasks.ts';

/** A task to be made, with the hash of the body that asks for it. */
export type Wanted = { task: NewTask; bodyHash: string };
/** A key under which a request may be repeated: it belongs to whoever asks. */
export type RequestKey = { principal: string; key: string; bodyHash: string };
export type Created = { tasks: Task[] /** It was asked for before, and nothing was made now. */; replayed: boolean };

/** Creates a task; with an agent named it is that agent's from the first moment. Answers it as it stands. */
export async function createTask(deps: Deps, actor: Actor, task: NewTask): Promise<Task> {
  const { tasks } = await createTasks(deps, actor, [{ task, bodyHash: '' }], null);
  return tasks[0] as Task;
}

/**
 * Creates tasks, all or none; they may depend on each other by the ids that their caller chose. Asked for again under
 * the same key, or with the same ids and bodies, it makes nothing and answers the tasks as they are now: the row of the
 * key, and the primary key of the tasks, decide between requests that come at once. Throws `idempotency_conflict` where
 * the bodies differ, `dependency_cycle`, and `invalid` for what names nothing.
 */
export async function createTasks(
  deps: Deps,
  actor: Actor,
  wanted: readonly Wanted[],
  request: RequestKey | null,
): Promise<Created> {
  const planned = await planAll(deps, wanted);
  const cycle = findCycle(planned.map(({ task }) => task));
  if (cycle !== null) throw new AppError('dependency_cycle', `Task ${cycle} would wait for itself.`);
  try {
    return await createOnce(deps, actor, planned, request);
  } catch (error) {
    // Another request made one of these ids meanwhile: this time it is found.
    if (!violates(error, 'tasks_pkey')) throw error;
    return createOnce(deps, actor, planned, request);
  }
}

async function planAll(deps: Deps, wanted: readonly Wanted[]): Promise<Planned[]> {
  const planned: Planned[] = [];
  for (const { task, bodyHash } of wanted) {
    planned.push(plan(task, await deps.lanes.idOf(laneKeyOf(task)), task.id === null ? null : bodyHash));
  }
  return planned;
}

async function createOnce(
  deps: Deps,
  actor: Actor,
  planned: readonly Planned[],
  request: RequestKey | null,
): Promise<Created> {
  const ids = planned.map(({ task }) => task.id);
  const made = await deps.db.transaction().execute(async (trx) => {
    const use: KeyUse | null = request && { ...request, taskIds: ids };
    if (use !== null && !(await useKey(trx, use))) return { again: await idsOfKey({ db: trx }, use) };
    if (await madeBefore({ db: trx }, planned)) return { again: ids };
    return { rows: await insertNewTasks(trx, deps, actor, planned) };
  });
  if ('again' in made) return { tasks: await findTasks(deps.db, made.again ?? []), replayed: true };
  for (const row of made.rows) wakeForNew(deps, row);
  return { tasks: made.rows.map(newTaskOf), replayed: false };
}

async function idsOfKey({ db }: Pick<Deps, 'db'>, use: KeyUse): Promise<string[]> {
  const first = await findKey(db, use.principal, use.key);
  if (first?.bodyHash === use.bodyHash) return first.taskIds;
  throw new AppError('idempotency_conflict', 'This Idempotency-Key came with another body before.');
}

/** Whether these very tasks exist already, made by the same bodies under ids that their caller chose. */
async function madeBefore({ db }: Pick<Deps, 'db'>, planned: readonly Planned[]): Promise<boolean> {
  const chosen = planned.filter(({ createdHash }) => createdHash !== null);
  if (chosen.length === 0) return false;
  const hashes = await createdHashes(
    db,
    chosen.map(({ task }) => task.id),
  );
  if (hashes.size === 0) return false;
  const same = chosen.every(({ task, createdHash }) => hashes.get(task.id) === createdHash);
  if (same && chosen.length === planned.length) return true;
  throw new AppError('idempotency_conflict', 'A task of this id was made with another body before.');
}

/** A named task stands in the lane of its agent, whatever it requires. */
export const laneKeyOf = (task: NewTask): LaneKey => ({
  requires: task.namedAgentId === null ? normalizeLabels(task.requires) : [],
  repository: task.namedAgentId === null ? task.repository : null,
  agentId: task.namedAgentId,
});

const wakeForNew = (deps: Pick<Deps, 'wakeups'>, { id, lane }: Pick<TaskRow, 'id' | 'lane'>): void =>
  deps.wakeups.emit({ kind: 'ready', lane }, { kind: 'task', taskId: id });
