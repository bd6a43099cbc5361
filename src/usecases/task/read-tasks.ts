import type { Kysely } from 'kysely';
import type { Attempt } from '../../domain/attempt.ts';
import { invalidField } from '../../domain/errors.ts';
import { waitingReasons } from '../../domain/explain.ts';
import type { Restriction } from '../../domain/restriction.ts';
import type { Task, TaskFilter, TaskSort } from '../../domain/task.ts';
import * as attempts from '../../store/attempts.ts';
import * as events from '../../store/events.ts';
import { avoidances, freeTakers, takers } from '../../store/explain.ts';
import type { Database } from '../../store/schema.ts';
import * as lists from '../../store/task-list.ts';
import * as tasks from '../../store/tasks.ts';

type Reading = { db: Kysely<Database> };
export type Page = { limit: number; cursor: string | null };
export type PageOf<T> = { items: T[]; nextCursor: string | null };
export type { StoredEvent } from '../../store/events.ts';

export async function getTask(deps: Reading, id: string): Promise<Task | null> {
  const task = await tasks.findTask(deps.db, id);
  return task && ((await withWaitingReasons(deps, [task]))[0] ?? null);
}

export async function listTasks(
  deps: Reading,
  filter: TaskFilter,
  sort: TaskSort,
  { limit, cursor }: Page,
): Promise<PageOf<Task>> {
  const after = cursor === null ? null : positionOf(cursor, sort);
  const page = await lists.listTasks(deps.db, filter, sort, limit, after);
  return {
    items: await withWaitingReasons(deps, page.items),
    nextCursor: page.next && encode(page.next),
  };
}

export async function listEvents(
  deps: Reading,
  taskId: string,
  { limit, cursor }: Page,
): Promise<PageOf<events.StoredEvent>> {
  const found = await events.listEvents(deps.db, taskId, limit + 1, numberOf(cursor));
  const items = found.slice(0, limit);
  return { items, nextCursor: found.length > limit ? encode(items.at(-1)?.n ?? 0) : null };
}

export async function listAttempts(deps: Reading, taskId: string, { limit, cursor }: Page): Promise<PageOf<Attempt>> {
  const found = await attempts.listAttempts(deps.db, taskId, limit + 1, numberOf(cursor));
  const items = found.slice(0, limit);
  return { items, nextCursor: found.length > limit ? encode(items.at(-1)?.number ?? 0) : null };
}

export const getAttempt = (deps: Reading, id: string): Promise<Attempt | null> => attempts.findAttempt(deps.db, id);

export const countTasks = (deps: Reading, within: Restriction | null = null): Promise<Map<string, number>> =>
  lists.countByStatus(deps.db, within);

/** Tasks that were just written, with what pending ones wait for. */
export async function withWaitingReasons(deps: Reading, found: readonly Task[]): Promise<Task[]> {
  const pending = found.filter((task) => task.status === 'pending');
  if (pending.length === 0) return [...found];
  const seen = await seenAtOnce(deps, pending);
  if (seen !== null) return found.map((task) => ({ ...task, waitingReason: seen.get(task.id) ?? null }));
  const all = await takers(deps.db);
  // Only where a task was tried once can it be kept from.
  const tried = pending.filter((task) => task.attempt !== null && task.namedAgentId === null);
  const kept = await avoidances(
    deps.db,
    tried.map(({ id }) => id),
  );
  const reasonOf = waitingReasons(all);
  return found.map((task) => ({ ...task, waitingReason: reasonOf(task, kept.get(task.id)) }));
}

/** So many different wishes are looked for one by one; for more all agents are read at once. */
const FEW_WISHES = 2;

/**
 * The reasons of tasks that nobody has tried, if a look at a few free agents tells them all: a closed gate is a reason
 * whoever there is, and where somebody can take a task, others don't matter. Null where it doesn't.
 */
async function seenAtOnce(deps: Reading, pending: readonly Task[]): Promise<Map<string, string | null> | null> {
  if (pending.some(({ attempt, namedAgentId }) => attempt !== null || namedAgentId !== null)) return null;
  const wishes = new Map(
    pending.map(({ requires, executionMode }) => {
      const wish = { requires, executionMode };
      return [JSON.stringify(wish), wish];
    }),
  );
  if (wishes.size > FEW_WISHES) return null;
  const reasonOf = waitingReasons(await freeTakers(deps.db, [...wishes.values()]));
  const reasons = new Map(pending.map((task) => [task.id, reasonOf(task)]));
  const told = pending.every((task) => !task.ready || reasons.get(task.id) === null);
  return told ? reasons : null;
}

const encode = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url');

function decode(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw notOurs();
  }
}

const notOurs = () => invalidField('cursor', 'is not one that a list answered with');

function numberOf(cursor: string | null): number {
  if (cursor === null) return 0;
  const value = decode(cursor);
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw notOurs();
  return value;
}

const isUuid = (text: unknown) => typeof text === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
const isKey = (text: unknown, waiting: boolean) =>
  typeof text === 'string' && (waiting ? /^-?\d{1,18}$/ : /^\d{4}-\d\d-\d\dT[\d:.]{8,15}Z$/).test(text);

function positionOf(cursor: string, sort: TaskSort): lists.TaskPosition {
  const position = decode(cursor) as Partial<lists.TaskPosition> | null;
  if (typeof position !== 'object' || position === null) throw notOurs();
  const { key, id, waiting } = position;
  if (position.sort !== sort || typeof waiting !== 'boolean' || !isUuid(id) || !isKey(key, waiting)) throw notOurs();
  return position as lists.TaskPosition;
}
