import { type Kysely, sql } from 'kysely';
import type { Abilities } from '../domain/may-run.ts';
import type { ContestedPlace, PreemptionLimits, RunningTask } from '../domain/preempt.ts';
import type { AgentMode } from '../domain/task.ts';
import { forMode, keptFrom } from './claims.ts';
import type { Spot } from './far-candidates.ts';
import { takesPlaceOf } from './places.ts';
import type { Database, TaskRow } from './schema.ts';

type Db = Kysely<Database>;

const MOST_PLACES = 1_000;
const MOST_RUNNING = 100;

const takesWork = sql`g.deleted_at is null and g.online and not g.cordoned and not g.draining and g.says_draining is null`;
const isReachable = sql<boolean>`(t.lease_expires_at >= now() and coalesce(a.contact ->> 'state', 'ok') = 'ok')`;
const ranSeconds = sql<number>`extract(epoch from now() - a.started_at)::float8`;

/** Running tasks that may be stopped for some other; narrows what is read, the choice itself looks at all of it again. */
const mayBeStopped = ({ minRunSeconds, maxPerTask }: PreemptionLimits) => sql`
  t.status = 'running' and t.preemptible and t.stop_reason is null and t.preemptions < ${maxPerTask}
  and ${ranSeconds} >= ${minRunSeconds} and ${isReachable}`;

const isBeingServed = (id: ReturnType<typeof sql.ref>) => sql<boolean>`exists (
  select from tasks s where s.stop_for = ${id} and s.status in ('assigned', 'running'))`;

/** The first ready tasks of each lane, behind a spot if one is given. */
const nextOfLanes = (mode: AgentMode, limit: number, behind: Spot | null) => sql`
  select w.lane, w.mode, n.* from (select distinct lane, mode from ways where mode = ${mode}) w cross join lateral (
    select id, rank, priority from tasks
    where lane = w.lane and status = 'pending' and ready
      and ${forMode(mode)}
      and not ${isBeingServed(sql.ref('tasks.id'))}
      ${behind === null ? sql`` : sql`and (rank, id) > (${behind.rank}::bigint, ${behind.id}::uuid)`}
    order by rank, id limit ${limit}) n`;

/**
 * The best-ranked ready tasks that might have something stopped for them, were every place taken. It goes from what
 * runs to the lanes that could have its place, so that neither tasks without a chance nor their number hide others. That
 * nobody may run one of them for what it asks for isn't seen here; whoever finds none goes on behind them. The `offset 0`
 * keeps the planner from guessing how few attempts pass and joining all with all.
 */
export async function tasksThatMayPreempt(
  db: Db,
  limits: PreemptionLimits,
  limit: number,
  behind: Spot | null = null,
): Promise<Spot[]> {
  const next = (mode: AgentMode) => nextOfLanes(mode, limit, behind);
  const { rows } = await sql<Spot>`
    with running as materialized (
      select t.assigned_agent_id as agent_id, t.priority, max(t.rank) as rank
      from tasks t join lateral (select * from attempts where id = t.attempt_id offset 0) a on true
      where t.lease_expires_at >= now() and ${mayBeStopped(limits)}
      group by 1, 2),
    places as materialized (
      select g.id, g.labels, g.execution_mode as mode, r.priority, r.rank
      from running r join agents g on g.id = r.agent_id where ${takesWork}),
    ways as materialized (
      select l.id as lane, k.mode, k.priority, k.rank
      from lanes l
      join (select labels, mode, priority, max(rank) as rank from places group by 1, 2, 3) k on l.requires <@ k.labels
      where l.agent_id is null
      union all
      select l.id, p.mode, p.priority, p.rank from lanes l join places p on p.id = l.agent_id)
    select distinct n.id, n.rank from (${next('http_pull')} union all ${next('ssh_cli')}) n
    where exists (
        select from ways w
        where w.lane = n.lane and w.mode = n.mode and w.priority <= n.priority - ${limits.gap}::int and w.rank > n.rank)
    order by n.rank, n.id limit ${limit}`.execute(db);
  return rows;
}

export type WaitingTask = Pick<
  TaskRow,
  | 'id'
  | 'requires'
  | 'execution_mode'
  | 'named_agent_id'
  | 'priority'
  | 'rank'
  | 'command'
  | 'limits'
  | 'sandbox'
  | 'repository'
> & {
  hasStopped: boolean;
  avoided: string[];
};

/** Null for a task that doesn't wait for a place any more. */
export async function findWaitingTask(db: Db, id: string): Promise<WaitingTask | null> {
  const { rows } = await sql<WaitingTask>`
    select id, requires, execution_mode, named_agent_id, priority, rank, command, limits, sandbox, repository,
      ${keptFrom} as avoided,
      ${isBeingServed(sql.ref('tasks.id'))} as "hasStopped"
    from tasks where id = ${id} and coalesce(status = 'pending' and ready, false)`.execute(db);
  return rows[0] ?? null;
}

/**
 * The agents that have what the task requires, and how their places stand; free ones first. What they refuse to run is
 * for the caller to judge.
 */
export async function matchingPlaces(db: Db, task: WaitingTask): Promise<(ContestedPlace & Abilities)[]> {
  const { rows } = await sql<ContestedPlace & Abilities>`
    select g.id as "agentId", g.capacity, g.limits, g.sandboxes, g.policy, g.restriction, count(a.id)::int as taken,
      (count(*) filter (where t.stop_reason is not null and a.finished_at is null))::int as stopping
    from agents g
    left join attempts a on ${takesPlaceOf('a', 'g')}
    left join tasks t on t.id = a.task_id
    where ${takesWork} and ${task.execution_mode} in ('undecided', g.execution_mode)
      and case when ${task.named_agent_id}::text is null
        then ${task.requires}::text[] <@ g.labels and g.id <> all(${task.avoided}::text[])
        else g.id = ${task.named_agent_id} end
    group by g.id
    order by count(a.id) - g.capacity, g.id limit ${MOST_PLACES}`.execute(db);
  return rows;
}

/** The worst-ranked tasks that run on these agents and might be stopped for one of this rank. */
export async function stoppableTasks(
  db: Db,
  agentIds: readonly string[],
  waiting: Pick<WaitingTask, 'rank' | 'priority'>,
  limits: PreemptionLimits,
): Promise<RunningTask[]> {
  const { rows } = await sql<RunningTask>`
    select t.id, a.id as "attemptId", a.agent_id as "agentId", t.priority, t.rank, t.preemptible, t.preemptions,
      ${ranSeconds} as "ranSeconds", ${isReachable} as reachable, t.stop_reason is not null as "stopAsked"
    from attempts a join tasks t on t.id = a.task_id and t.attempt_id = a.id
    where a.agent_id = any(${agentIds}::text[]) and not a.settled and t.rank > ${waiting.rank}
      and t.priority <= ${waiting.priority - limits.gap} and ${mayBeStopped(limits)}
    order by t.rank desc, t.id desc limit ${MOST_RUNNING}`.execute(db);
  return rows;
}
