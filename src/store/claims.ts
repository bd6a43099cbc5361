import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import { eventTextAround } from '../domain/event.ts';
import type { AgentMode } from '../domain/task.ts';
import { eventAfter, type Happening, headOf, TOLD_NOW } from './event-chain.ts';
import type { AgentRow, Database, TaskRow } from './schema.ts';
import { type Heavy, LIGHT_COLUMNS } from './task-columns.ts';

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
  const { rows } = await sql<AgentRow>`
    select * from agents where id = any(${ids}::text[]) order by id for no key update`.execute(trx);
  return rows;
}

/** A task that may be taken, as it is locked, without the large texts: most of hundreds may be for somebody else. */
export type Candidate = Omit<TaskRow, Heavy> & { avoided: string[] };

/** The other way's tasks are not even looked at: each way has an index of its own. */
export const forMode = (mode: AgentMode) =>
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

/** What one of these agents may take, as far as it is told here. */
export const mayBeHad = (mode: AgentMode, agentIds: readonly string[]) => sql`
  status = 'pending' and ready and ${forMode(mode)}
  and (attempts = 0 or named_agent_id is not null or not ${agentIds}::text[] <@ ${keptFrom})`;

export type Asking = {
  mode: AgentMode;
  /** Who asks: a task that is kept from all of them is not looked at, or it would stand before what they may take. */
  agentIds: readonly string[];
  lanes: readonly number[];
  /** Of each of the lanes: nothing that waits there has a lower rank. */
  fronts: readonly number[];
  limit: number;
  /** So many tasks ahead may be held by claims that run at the same moment, and be skipped. */
  heldByOthers: number;
};

/**
 * The best-ranked ready tasks of these lanes, locked; those that another claim holds are skipped. Asking each lane for
 * its first few keeps the cost apart from how many tasks wait in others.
 * The outer condition is checked again on the row as it is once locked; it stands in a coalesce so that the planner goes
 * by the primary key and doesn't read a whole claim index for it.
 */
export async function lockCandidates(
  trx: Trx,
  { mode, agentIds, lanes, fronts, limit, heldByOthers }: Asking,
): Promise<Candidate[]> {
  if (lanes.length === 0 || limit <= 0) return [];
  const window = limit + heldByOthers;
  const best = sql`array(
        select t.id
        from unnest(${lanes}::int[], ${fronts}::bigint[]) l(id, front)
        cross join lateral (
          select id, rank from tasks
          where lane = l.id and rank >= l.front and ${mayBeHad(mode, agentIds)}
          order by rank, id limit ${window}) t
        order by t.rank, t.id limit ${window})`;
  return lockAnyOf(trx, mode, best, limit);
}

/** Locks those of these tasks that are still to be had and that nobody else holds. */
export async function lockAnyOf(
  trx: Trx,
  mode: AgentMode,
  ids: RawBuilder<unknown>,
  limit: number,
): Promise<Candidate[]> {
  const { rows } = await sql<Candidate>`
    select ${LIGHT_COLUMNS}, case when attempts = 0 then '{}' else ${keptFrom} end as avoided
    from tasks
    where id = any(${ids}) and coalesce(status = 'pending' and ready and ${forMode(mode)}, false)
    order by rank, id limit ${limit}
    for update skip locked`.execute(trx);
  return rows;
}

export type Take = {
  candidate: Candidate;
  agentId: string;
  attemptId: string;
  tokenHash: Buffer;
  requestId: string | null;
};
export type TakeOptions = {
  mode: AgentMode;
  leaseSeconds: number;
  /** The replica that will drive the attempts, over SSH. */
  holder: string | null;
  happening: (take: Take) => Happening;
};

type Returned = { attempt_id: string; at: string; hash: string } & Pick<TaskRow, 'lease_expires_at' | Heavy>;

/** What a task is once it is taken, whoever took it; the rest follows from the take. */
const TAKEN = {
  status: 'assigned',
  ready: false,
  progress: null,
  stop_reason: null,
  stop_detail: null,
  stop_asked_at: null,
  stop_for: null,
  has_log: false,
} as const;

/**
 * Gives each task to its agent. Answers the rows as they stand now, by the attempts that were opened: one that changed
 * meanwhile is left out. (The coalesce is as in `lockCandidates`: it leads to the rows by their key.)
 */
export async function takeTasks(trx: Trx, takes: readonly Take[], options: TakeOptions): Promise<Map<string, TaskRow>> {
  if (takes.length === 0) return new Map();
  const { mode, leaseSeconds, holder } = options;
  const texts = takes.map((take) =>
    eventTextAround(eventAfter(headOf(take.candidate), options.happening(take), 'assigned')),
  );
  const { rows } = await sql<Returned>`
    with given as (
      select * from unnest(
        ${takes.map((take) => take.candidate.id)}::uuid[], ${takes.map((take) => take.agentId)}::text[],
        ${takes.map((take) => take.attemptId)}::uuid[], ${takes.map((take) => take.tokenHash)}::bytea[],
        ${takes.map((take) => take.requestId)}::text[], ${takes.map((take) => take.candidate.attempts + 1)}::int[],
        ${takes.map((take) => take.candidate.event_n)}::int[], ${takes.map((take) => take.candidate.event_hash)}::text[],
        ${texts.map(([before]) => before)}::text[], ${texts.map(([, after]) => after)}::text[]
      ) as g(task_id, agent_id, attempt_id, token_hash, request_id, number, n, previous, before, after)),
    ${TOLD_NOW},
    taken as (
      update tasks t set
        status = 'assigned', execution_mode = ${mode}, assigned_agent_id = x.agent_id, assigned_at = x.at,
        attempt_id = x.attempt_id, attempts = x.number, ready = false,
        lease_expires_at = x.at + make_interval(secs => ${leaseSeconds}), holder = ${holder},
        progress = null, stop_reason = null, stop_detail = null, stop_asked_at = null, stop_for = null, has_log = false,
        event_n = x.n + 1, event_hash = x.hash, updated_at = x.at
      from x where t.id = x.task_id and coalesce(t.status = 'pending' and t.ready and t.event_n = x.n, false)
      returning x.*, t.lease_expires_at, t.body, t.input, t.input_bytes),
    opened as (
      insert into attempts (id, task_id, number, execution_mode, agent_id, request_id, token_hash, leased_at)
      select attempt_id, task_id, number, ${mode}, agent_id, request_id, token_hash, at from taken),
    written as (
      insert into events (task_id, n, attempt_id, type, text, hash)
      select task_id, n + 1, attempt_id, 'assigned', text, hash from taken)
    select attempt_id, at, hash, lease_expires_at, body, input, input_bytes from taken`.execute(trx);
  const returned = new Map(rows.map((row) => [row.attempt_id, row]));
  return new Map(
    takes.flatMap(({ candidate, agentId, attemptId }) => {
      const row = returned.get(attemptId);
      if (row === undefined) return [];
      const { at, hash, ...rest } = row;
      // The row is ours: nobody else has seen it.
      const taken: TaskRow = Object.assign(candidate, TAKEN, rest, {
        execution_mode: mode,
        assigned_agent_id: agentId,
        assigned_at: at,
        attempts: candidate.attempts + 1,
        holder,
        event_n: candidate.event_n + 1,
        event_hash: hash,
        updated_at: at,
      });
      return [[attemptId, taken] as const];
    }),
  );
}

/** The lowest rank of what waits in these lanes; those in which nothing waits are left out. */
export async function lowestRanks(
  db: Kysely<Database>,
  { mode, lanes }: Pick<Asking, 'mode' | 'lanes'>,
): Promise<Map<number, number>> {
  const { rows } = await sql<{ lane: number; rank: number }>`
    select l.id as lane, t.rank
    from unnest(${lanes}::int[]) l(id)
    cross join lateral (
      select rank from tasks
      where lane = l.id and status = 'pending' and ready and ${forMode(mode)}
      order by rank limit 1) t`.execute(db);
  return new Map(rows.map(({ lane, rank }) => [lane, rank]));
}

/** In which of these lanes tasks wait, and how many, counted up to a limit: the look of who was told nothing. */
export async function waitingInLanes(
  db: Kysely<Database>,
  { lanes, fronts, limit }: Pick<Asking, 'lanes' | 'fronts' | 'limit'>,
): Promise<{ lane: number; tasks: number }[]> {
  const { rows } = await sql<{ lane: number; tasks: number }>`
    select l.id as lane, t.tasks
    from unnest(${lanes}::int[], ${fronts}::bigint[]) l(id, front)
    cross join lateral (
      select count(*)::int as tasks from (
        select from tasks
        where lane = l.id and rank >= l.front and status = 'pending' and ready and ${forMode('http_pull')}
        limit ${limit}) w) t
    where t.tasks > 0`.execute(db);
  return rows;
}
