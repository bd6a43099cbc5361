import { sql, type Transaction } from 'kysely';
import type { AgentMode } from '../domain/task.ts';
import type { AgentRow, Database, TaskRow } from './schema.ts';
import { type Happening, nextEvent } from './task-changes.ts';

type Trx = Transaction<Database>;

/*
 * A claim is three statements, because what a lock protects must be read after the lock was had: a statement that
 * waited for a row counts with the snapshot it began with, and two tasks end up on one place.
 *   1. lockAgents: whoever gives out places of an agent holds its row
 *   2. places and candidates: read now, the candidates locked and those that others hold skipped
 *   3. takeTasks: what still fits becomes assigned, its attempt opened, its event written
 */

/** Locks agents in the order of their ids, so that two claims can't wait for each other. */
export async function lockAgents(trx: Trx, ids: readonly string[]): Promise<AgentRow[]> {
  return trx.selectFrom('agents').selectAll().where('id', 'in', ids).orderBy('id').forNoKeyUpdate().execute();
}

/** Places taken by agent: attempts that are open, or that the machine may still run. */
export async function takenPlaces(trx: Trx, agentIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await trx
    .selectFrom('attempts')
    .select(['agent_id', sql<number>`count(*)::int`.as('taken')])
    .where('agent_id', 'in', agentIds)
    .where('settled', '=', false)
    .groupBy('agent_id')
    .execute();
  return new Map(rows.map((row) => [row.agent_id, row.taken]));
}

/** So many tasks ahead may be held by claims that run at the same moment, one for each connection, and be skipped. */
const OTHER_CLAIMS = 32;

export type Candidate = Pick<
  TaskRow,
  'id' | 'rank' | 'requires' | 'named_agent_id' | 'event_n' | 'event_hash' | 'attempts' | 'timeout_seconds'
> & { avoided: string[] };

/** The other way's tasks are not even looked at: each way has an index of its own. */
const forMode = (mode: AgentMode) =>
  mode === 'http_pull' ? sql`execution_mode <> 'ssh_cli'` : sql`execution_mode <> 'http_pull'`;

/**
 * The agents that a task is to be kept from for now, of the task in the row at hand: where it failed a moment ago,
 * unless nobody else could take it.
 */
export const keptFrom = sql`array(
  select v.agent_id from avoidances v
  where v.task_id = tasks.id and v.until > now() and exists (
    select from agents o
    where o.deleted_at is null and o.online and not o.cordoned and not o.draining and o.says_draining is null
      and o.labels @> tasks.requires and tasks.execution_mode in ('undecided', o.execution_mode)
      and not exists (
        select from avoidances w where w.task_id = tasks.id and w.agent_id = o.id and w.until > now())))`;

/**
 * The best-ranked ready tasks of the lanes that agents with these ids and labels serve, locked; those that another
 * claim holds are skipped. Asking each lane for its first few keeps the cost apart from how many tasks wait in others.
 * A task that is kept from all of them is not looked at, or it would stand before what they may take.
 * The outer condition is checked again on the row as it is once locked; it stands in a coalesce so that the planner goes
 * by the primary key and doesn't read a whole claim index for it.
 */
export async function lockCandidates(
  trx: Trx,
  mode: AgentMode,
  agents: readonly Pick<AgentRow, 'id' | 'labels'>[],
  limit: number,
): Promise<Candidate[]> {
  const asking = sql.join(agents.map(({ id, labels }) => sql`(${id}::text, ${labels}::text[])`));
  const window = limit + OTHER_CLAIMS;
  const { rows } = await sql<Candidate>`
    select id, rank, requires, named_agent_id, event_n, event_hash, attempts, timeout_seconds, ${keptFrom} as avoided
    from tasks
    where id = any(array(
        select t.id
        from (
          select id, array(
            select g.id from (values ${asking}) g(id, labels)
            where lanes.agent_id = g.id or (lanes.agent_id is null and lanes.requires <@ g.labels)) as servers
          from lanes) l
        cross join lateral (
          select id, rank from tasks
          where lane = l.id and status = 'pending' and ready and ${forMode(mode)}
            and (attempts = 0 or named_agent_id is not null or not l.servers <@ ${keptFrom})
          order by rank, id limit ${window}) t
        where l.servers <> '{}'
        order by t.rank, t.id limit ${window}))
      and coalesce(status = 'pending' and ready and ${forMode(mode)}, false)
    order by rank, id limit ${limit}
    for update skip locked`.execute(trx);
  return rows;
}

export type Take = {
  candidate: Candidate;
  agentId: string;
  attemptId: string;
  tokenHash: Buffer;
};
export type TakeOptions = {
  mode: AgentMode;
  at: string;
  leaseSeconds: number;
  /** The replica that will drive the attempts, over SSH. */
  holder: string | null;
  requestId: string | null;
  happening: (take: Take) => Happening;
};

/** Gives each task to its agent. Answers the attempts that were opened: a row that changed meanwhile is left out. */
export async function takeTasks(trx: Trx, takes: readonly Take[], options: TakeOptions): Promise<string[]> {
  if (takes.length === 0) return [];
  const { mode, at, leaseSeconds, holder, requestId } = options;
  const events = takes.map((take) => {
    const { id, event_n, event_hash } = take.candidate;
    const head = { taskId: id, n: event_n, hash: event_hash, status: 'pending' as const };
    return nextEvent(head, options.happening(take), at, 'assigned');
  });
  const { rows } = await sql<{ attempt_id: string }>`
    with x as (
      select * from unnest(
        ${takes.map((take) => take.candidate.id)}::uuid[], ${takes.map((take) => take.agentId)}::text[],
        ${takes.map((take) => take.attemptId)}::uuid[], ${takes.map((take) => take.tokenHash)}::bytea[],
        ${events.map((event) => event.n)}::int[], ${events.map((event) => event.text)}::text[],
        ${events.map((event) => event.hash)}::text[]
      ) as x(task_id, agent_id, attempt_id, token_hash, n, text, hash)),
    taken as (
      update tasks t set
        status = 'assigned', execution_mode = ${mode}, assigned_agent_id = x.agent_id, assigned_at = ${at},
        attempt_id = x.attempt_id, attempts = t.attempts + 1, ready = false,
        lease_expires_at = ${at}::timestamptz + make_interval(secs => ${leaseSeconds}), holder = ${holder},
        progress = null, stop_reason = null, stop_detail = null, stop_asked_at = null,
        event_n = x.n, event_hash = x.hash, updated_at = ${at}
      from x where t.id = x.task_id and t.status = 'pending' and t.ready and t.event_n = x.n - 1
      returning t.id, t.attempt_id, t.attempts),
    opened as (
      insert into attempts (id, task_id, number, execution_mode, agent_id, request_id, token_hash, leased_at)
      select x.attempt_id, taken.id, taken.attempts, ${mode}, x.agent_id, ${requestId}, x.token_hash, ${at}
      from taken join x on x.task_id = taken.id),
    written as (
      insert into events (task_id, n, attempt_id, type, text, hash)
      select x.task_id, x.n, x.attempt_id, 'assigned', x.text, x.hash from taken join x on x.task_id = taken.id)
    select attempt_id from taken`.execute(trx);
  return rows.map((row) => row.attempt_id);
}
