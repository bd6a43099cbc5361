import { randomUUIDv7 } from 'node:crypto';
import { findCycle } from '../../domain/cycle.ts';
import { AppError } from '../../domain/errors.ts';
import { normalizeLabels } from '../../domain/match.ts';
import type { Actor, NewTask, Task } from '../../domain/task.ts';
import { agentModeForNaming } from '../../store/agents.ts';
import { violates } from '../../store/database-errors.ts';
import { createdHashes, findKey, type KeyUse, useKey } from '../../store/idempotency.ts';
import type { LaneKey } from '../../store/lanes.ts';
import type { RankedRow } from '../../store/new-tasks.ts';
import { findTasks, newTaskOf } from '../../store/tasks.ts';
import { coalesce } from '../coalesce.ts';
import type { Deps } from '../deps.ts';
import { withWaitingReasons } from '../task/read-tasks.ts';
import { insertNewTasks, insertPlainTasks, isPlain, type Planned, plan, refused } from './insert-tasks.ts';
import { isCounted } from './repository-room.ts';

/** A task to be made, with the hash of the body that asks for it where that chose the id. */
export type Wanted = { task: NewTask; bodyHash: string | null };
/** A key under which a request may be repeated: it belongs to whoever asks. */
export type RequestKey = { principal: string; key: string; bodyHash: string };
export type Created = { tasks: Task[] /** It was asked for before, and nothing was made now. */; replayed: boolean };

/** Creates a task; with an agent named it is that agent's from the first moment. Answers it as it stands. */
export async function createTask(deps: Deps, actor: Actor, task: NewTask): Promise<Task> {
  const { tasks } = await createTasks(deps, actor, [{ task, bodyHash: null }], null);
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
  const planned = await planAll(
    deps,
    wanted.map((one) => ({ ...one, actor })),
  );
  const cycle = findCycle(planned.map(({ task }) => task));
  if (cycle !== null) throw new AppError('dependency_cycle', `Task ${cycle} would wait for itself.`);
  try {
    return await createOnce(deps, planned, request);
  } catch (error) {
    // Another request made one of these ids meanwhile: this time it is found.
    if (!ID_TAKEN.some((constraint) => violates(error, constraint))) throw error;
    return createOnce(deps, planned, request);
  }
}

/** A task and its first event are written by one statement: either may be the first to find the other one's. */
const ID_TAKEN = ['tasks_pkey', 'events_task_id_n_key'];

/** So many are written by one statement at most, and so large texts together. */
const MOST = 100;
const HEAVIEST = 4 * 1024 * 1024;

type WantedBy = Wanted & { actor: Actor };
export type Create = (actor: Actor, wanted: Wanted, request: RequestKey | null) => Promise<Created>;

/**
 * Creates one task at a time for its caller; plain ones that are asked for together are written together. What is said
 * of them is found out after that, so that nothing is made again should that fail, and the next are not kept waiting.
 */
export function createCreate(deps: Deps): Create {
  const make = coalesce(
    async (wanted: readonly WantedBy[]) => {
      const rows = await insertPlainTasks(deps, await planAll(deps, wanted));
      for (const row of rows) wakeForNew(deps, row);
      return rows.map((row) => ({ value: newTaskOf(row) }));
    },
    { most: MOST, weigh: ({ task }) => weightOf(task), heaviest: HEAVIEST },
  );
  const sayWhyItWaits = coalesce(
    async (made: readonly Task[]) => (await withWaitingReasons(deps, made)).map((task) => ({ value: task })),
    { most: MOST },
  );
  return async (actor, wanted, request) => {
    if (request !== null || !isPlain(wanted.task) || isCounted(deps, wanted.task))
      return createTasks(deps, actor, [wanted], request);
    return { tasks: [await sayWhyItWaits(await make({ ...wanted, actor }))], replayed: false };
  };
}

const weightOf = ({ body, input, inputBytes, environment }: NewTask): number =>
  (body?.length ?? 0) + (input?.length ?? 0) + (inputBytes?.length ?? 0) + JSON.stringify(environment).length;

async function planAll(deps: Deps, wanted: readonly WantedBy[]): Promise<Planned[]> {
  const planned: Planned[] = [];
  await requireAgents(deps, wanted);
  // Of those of the same moment the id decides which is first: the one that was asked for first.
  const ids = wanted.map(() => randomUUIDv7()).sort();
  for (const [at, { task, actor, bodyHash }] of wanted.entries()) {
    const id = task.id ?? ids[at] ?? null;
    planned.push(plan({ ...task, id }, actor, await deps.lanes.idOf(laneKeyOf(task)), bodyHash));
  }
  return planned;
}

/** Before a lane is made for them: lanes are never deleted. That they are still there is looked at under their locks. */
async function requireAgents({ db }: Pick<Deps, 'db'>, wanted: readonly WantedBy[]): Promise<void> {
  for (const id of new Set(wanted.flatMap(({ task }) => task.namedAgentId ?? []))) {
    if ((await agentModeForNaming(db, id)) !== null) continue;
    throw refused(wanted, (task) => task.namedAgentId === id, 'agent_id', 'names no agent');
  }
}

async function createOnce(deps: Deps, planned: readonly Planned[], request: RequestKey | null): Promise<Created> {
  const ids = planned.map(({ task }) => task.id);
  const made = await deps.db.transaction().execute(async (trx) => {
    const use: KeyUse | null = request && { ...request, taskIds: ids };
    if (use !== null && !(await useKey(trx, use))) return { again: await idsOfKey({ db: trx }, use) };
    if (await madeBefore({ db: trx }, planned)) return { again: ids };
    return { rows: await insertNewTasks(trx, deps, planned) };
  });
  if ('again' in made) {
    const again = await findTasks(deps.db, made.again ?? []);
    return { tasks: await withWaitingReasons(deps, again), replayed: true };
  }
  for (const row of made.rows) wakeForNew(deps, row);
  // One that failed before is told of soon.
  if (planned.some(({ task }) => task.dependsOn.length > 0)) deps.wakeups.emit({ kind: 'ended' });
  return { tasks: await withWaitingReasons(deps, made.rows.map(newTaskOf)), replayed: false };
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
  const before = chosen.filter(({ task }) => hashes.has(task.id));
  if (before.some(({ task, createdHash }) => hashes.get(task.id) !== createdHash))
    throw new AppError('idempotency_conflict', 'A task of this id was made with another body before.');
  if (before.length === planned.length) return true;
  throw new AppError('idempotency_conflict', 'Some of these tasks were made before, the others were not.');
}

/** A named task stands in the lane of its agent, whatever it requires. */
export const laneKeyOf = (task: NewTask): LaneKey => ({
  requires: task.namedAgentId === null ? normalizeLabels(task.requires) : [],
  repository: task.namedAgentId === null ? task.repository : null,
  agentId: task.namedAgentId,
});

function wakeForNew({ wakeups }: Pick<Deps, 'wakeups'>, { id, lane, lowestRank: rank }: NewPlace): void {
  if (rank !== null) wakeups.emit({ kind: 'ready', lane, rank });
  wakeups.emit({ kind: 'task', taskId: id });
}

type NewPlace = Pick<RankedRow, 'id' | 'lane' | 'lowestRank'>;
