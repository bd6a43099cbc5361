import { type Kysely, sql } from 'kysely';
import type { Restriction } from '../domain/restriction.ts';
import { isFinal, isTaken, STATUSES, type Status, type Task, type TaskFilter, type TaskSort } from '../domain/task.ts';
import type { Database } from './schema.ts';
import { withinCondition } from './task-places.ts';
import { type Condition, NEWEST, type Order, type Place, QUEUE, type Walked, walk } from './task-walk.ts';
import { findTasks } from './tasks.ts';

type Db = Kysely<Database>;

/** Where a page of a list begins: a newest-first page after (time, id), one of the queue after (waiting, key, id). */
export type TaskPosition = Place & { sort: TaskSort; waiting: boolean };
export type TaskPage = { items: Task[]; next: TaskPosition | null };

/**
 * Newest first; or in the order of the queue: pending ones by rank, then all others, newest first. A page may have fewer
 * tasks than asked for, or none, though others follow: what is rare is looked for a page at a time.
 */
export async function listTasks(
  db: Db,
  filter: TaskFilter,
  sort: TaskSort,
  limit: number,
  after: TaskPosition | null,
): Promise<TaskPage> {
  const wanted = filter.statuses ?? STATUSES;
  const found: string[] = [];
  if (sort === 'rank' && after?.waiting !== false && wanted.includes('pending')) {
    const waiting = await walkWith(db, QUEUE, filter, ['pending'], after, limit);
    found.push(...waiting.found.map(({ id }) => id));
    if (waiting.reached) return pageOf(db, filter, found, { ...waiting.reached, sort, waiting: true });
  }
  const others = sort === 'rank' ? wanted.filter((status) => status !== 'pending') : wanted;
  const from = after?.waiting === false ? after : null;
  const rest = await walkWith(db, NEWEST, filter, others, from, limit - found.length);
  found.push(...rest.found.map(({ id }) => id));
  return pageOf(db, filter, found, rest.reached && { ...rest.reached, sort, waiting: false });
}

/** The tasks as they are now, but for those that were changed meanwhile and no longer belong on the page. */
async function pageOf(
  db: Db,
  filter: TaskFilter,
  ids: readonly string[],
  next: TaskPosition | null,
): Promise<TaskPage> {
  const items = await findTasks(db, ids);
  const { statuses } = filter;
  return { items: statuses ? items.filter(({ status }) => statuses.includes(status)) : items, next };
}

function walkWith(
  db: Db,
  order: Order,
  filter: TaskFilter,
  statuses: readonly Status[],
  after: Place | null,
  limit: number,
): Promise<Walked> {
  const ways = order === QUEUE ? [sql<boolean>`tasks.status = 'pending'`] : waysTo(filter, statuses);
  const conditions = conditionsOf(filter, statuses);
  const fits = conditions.length === 0 ? sql<boolean>`true` : sql<boolean>`${sql.join(conditions, sql` and `)}`;
  const made = sql.join([sql`true`, ...madeBetween(filter)], sql` and `);
  const bounded = ways.map((way) => sql<boolean>`${way} and ${made}`);
  return walk(db, { order, ways: bounded, fits, after }, limit);
}

const PENDING = sql<boolean>`tasks.status = 'pending'`;
/** Few at any time: as many as the places of all agents. */
const TAKEN = sql<boolean>`tasks.id = any(array(
  select id from tasks where lease_expires_at is not null
  union select id from tasks where execution_mode = 'ssh_cli' and status in ('assigned', 'running')))`;
const FINISHED = sql<boolean>`tasks.status in ('completed', 'failed', 'cancelled')`;

/** The shortest ways to what is asked for. Words of lists stand in the text, for a partial index to be seen. */
function waysTo(filter: TaskFilter, statuses: readonly Status[]): Condition[] {
  if (filter.repository !== undefined) {
    return [sql`tasks.repository is not null and split_part(tasks.repository, ':', 2) = ${nameIn(filter.repository)}`];
  }
  if (filter.template !== undefined) return [sql`tasks.template is not null and tasks.template = ${filter.template}`];
  const taken = statuses.some(isTaken);
  const waits = statuses.includes('pending');
  if (filter.agentId !== undefined) {
    return [
      ...(statuses.some(isFinal) ? [sql<boolean>`${FINISHED} and tasks.assigned_agent_id = ${filter.agentId}`] : []),
      ...(taken ? [TAKEN] : []),
      ...(waits ? [sql<boolean>`${PENDING} and tasks.named_agent_id = ${filter.agentId}`] : []),
    ];
  }
  return [
    ...(waits ? [PENDING] : []),
    ...(taken ? [TAKEN] : []),
    ...statuses.filter(isFinal).map((status) => sql<boolean>`${FINISHED} and tasks.status = ${sql.lit(status)}`),
  ];
}

const nameIn = (repository: string): string => repository.slice(repository.indexOf(':') + 1);

function conditionsOf(filter: TaskFilter, statuses: readonly Status[]): Condition[] {
  const { executionModes, agentId, repository, template, label, query, within } = filter;
  const conditions = [
    statuses.length < STATUSES.length && sql<boolean>`tasks.status = any(${statuses})`,
    executionModes && sql<boolean>`tasks.execution_mode = any(${executionModes})`,
    agentId !== undefined && sql<boolean>`tasks.assigned_agent_id = ${agentId}`,
    // `owner/name` in any forge, or given with its forge.
    repository !== undefined && sql<boolean>`split_part(tasks.repository, ':', 2) = ${nameIn(repository)}`,
    repository?.includes(':') && sql<boolean>`tasks.repository = ${repository}`,
    template !== undefined && sql<boolean>`tasks.template = ${template}`,
    label !== undefined && sql<boolean>`${label} = any(tasks.requires)`,
    within && withinCondition(within),
    query !== undefined && sql<boolean>`strpos(lower(tasks.title), lower(${query})) > 0`,
  ];
  return conditions.filter((condition) => typeof condition === 'object');
}

const madeBetween = ({ createdAfter, createdBefore }: TaskFilter): Condition[] => [
  ...(createdAfter === undefined ? [] : [sql<boolean>`tasks.created_at > ${createdAfter}::timestamptz`]),
  ...(createdBefore === undefined ? [] : [sql<boolean>`tasks.created_at < ${createdBefore}::timestamptz`]),
];

/** How many tasks stand in each status; what the head of the list shows. Of all tasks only indexes are read. */
export async function countByStatus(db: Db, within: Restriction | null = null): Promise<Map<Status, number>> {
  const fits = within === null ? sql<boolean>`true` : withinCondition(within);
  const { rows } = await sql<{ status: Status; tasks: number }>`
    select 'pending' as status, count(*)::int as tasks from tasks where ${PENDING} and ${fits}
    union all
    select status, count(*)::int from tasks where ${TAKEN} and ${fits} group by status
    union all
    select status, count(*)::int from tasks where ${FINISHED} and ${fits} group by status`.execute(db);
  return new Map(rows.map((row) => [row.status, row.tasks]));
}
