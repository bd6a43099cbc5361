import { type Kysely, sql } from 'kysely';
import type { GateFacts, KeptFrom, Taker } from '../domain/explain.ts';
import type { AgentPolicy } from '../domain/may-run.ts';
import type { Task } from '../domain/task.ts';
import { onlyRow } from './answers.ts';
import { keptFrom } from './claims.ts';
import { takesPlace } from './places.ts';
import type { AgentRow, Database } from './schema.ts';
import { isToBeAskedAbout } from './ssh-attempts.ts';

type Db = Kysely<Database>;

/** More agents than this aren't looked at to say why a task waits. */
const MOST_TAKERS = 10_000;

/** All that a claim goes by, of every agent that isn't deleted, by name. */
export async function takers(db: Db): Promise<Taker[]> {
  const { rows } = await sql<TakerRow>`
    select ${takerColumns} from ${countedAgents} where deleted_at is null order by name limit ${MOST_TAKERS}`.execute(
    db,
  );
  return toTakers(rows);
}

/** Of whom a task with these labels could be, in this mode. */
export type Wish = Pick<Task, 'requires' | 'executionMode'>;
const MOST_FREE = 2;

/** For each wish a few agents that have a free place and the labels now: mostly enough to see that a task needn't wait. */
export async function freeTakers(db: Db, wishes: readonly Wish[]): Promise<Taker[]> {
  const { rows } = await sql<TakerRow>`
    select free.* from jsonb_to_recordset(${JSON.stringify(wishes)}::jsonb) as w(requires text[], "executionMode" text)
    cross join lateral (
      select ${takerColumns} from ${countedAgents}
      where deleted_at is null and online and not cordoned and not draining and says_draining is null
        and labels @> w.requires and w."executionMode" in ('undecided', execution_mode) and running < capacity
        and not ${toAsk}
      limit ${MOST_FREE}) free`.execute(db);
  return toTakers(rows);
}

/** A join, so that what an agent runs is counted once, however often it is named. */
const countedAgents = sql`agents cross join lateral (
  select count(*)::int as running from attempts where ${takesPlace}) of_agent`;
const toAsk = sql`(execution_mode = 'ssh_cli' and exists (
  select from attempts where ${takesPlace} and ${isToBeAskedAbout}))`;
const takerColumns = sql`id, name, execution_mode, labels, capacity, online, state_reason, cordoned, cordon_reason,
  draining or says_draining is not null as draining, last_seen_at, limits, sandboxes, policy::text as policy, restriction,
  running, ${toAsk} as to_ask`;

function toTakers(rows: readonly TakerRow[]): Taker[] {
  const policyOf = sharedPolicies();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    executionMode: row.execution_mode,
    labels: row.labels,
    capacity: row.capacity,
    running: row.running,
    online: row.online,
    stateReason: row.state_reason,
    cordoned: row.cordoned,
    cordonReason: row.cordon_reason,
    draining: row.draining,
    lastSeenAt: row.last_seen_at,
    limits: row.limits,
    sandboxes: row.sandboxes,
    policy: policyOf(row.policy),
    restriction: row.restriction,
    toAsk: row.to_ask,
  }));
}

type TakerRow = Omit<AgentRow, 'policy'> & { policy: string | null; running: number; to_ask: boolean };

/** Equal policies are one object, so that each is compared with a command once. */
function sharedPolicies(): (text: string | null) => AgentPolicy | null {
  const known = new Map<string, AgentPolicy>();
  return (text) => {
    if (text === null) return null;
    const policy = known.get(text) ?? (JSON.parse(text) as AgentPolicy);
    known.set(text, policy);
    return policy;
  };
}

/** From which agents each of these tasks is kept, as a claim sees it, and until when. */
export async function avoidances(db: Db, taskIds: readonly string[]): Promise<Map<string, KeptFrom>> {
  if (taskIds.length === 0) return new Map();
  const { rows } = await sql<{ task_id: string; agent_id: string; until: string }>`
    select a.task_id, a.agent_id, a.until
    from tasks join avoidances a on a.task_id = tasks.id
    where tasks.id = any(${taskIds}::uuid[]) and a.agent_id = any(${keptFrom})`.execute(db);
  const byTask = Map.groupBy(rows, (row) => row.task_id);
  return new Map([...byTask].map(([id, kept]) => [id, new Map(kept.map((row) => [row.agent_id, row.until]))]));
}

/** What a pending task's gates wait for. */
export async function gateFacts(db: Db, task: Pick<Task, 'id' | 'concurrencyKey'>): Promise<GateFacts> {
  const unmet = await sql<GateFacts['unmet'][number]>`
    select t.id, t.status from task_dependencies d join tasks t on t.id = d.depends_on
    where d.task_id = ${task.id} and not d.met order by t.id limit 100`.execute(db);
  const { rows } = await sql<{ task_id: string }>`
    select task_id from concurrency where key = ${task.concurrencyKey} and task_id <> ${task.id}`.execute(db);
  return { unmet: unmet.rows, keyHolder: rows[0] === undefined ? null : { id: rows[0].task_id } };
}

/** When an attempt is over at the latest, whether or not its host is heard of again; null: nothing was sent there. */
export async function deadBy(db: Db, attemptId: string): Promise<string | null> {
  const row = await db.selectFrom('attempts').select('dead_by').where('id', '=', attemptId).executeTakeFirst();
  return row?.dead_by ?? null;
}

/** More than this aren't counted. */
const MOST_AHEAD = 10_000;

/**
 * How many ready tasks of a better rank than this one stand in lanes that agents which pull serve, or hosts, and are of
 * a mode that they take. An index entry is read for each, of at most MOST_AHEAD.
 */
export async function countAhead(
  db: Db,
  taskId: string,
  lanes: { pull: readonly number[]; hosts: readonly number[] },
): Promise<number> {
  if (lanes.pull.length + lanes.hosts.length === 0) return 0;
  const before = sql`status = 'pending' and ready and (rank, id) < (me.rank, me.id)`;
  // What only hosts take comes last: should there be too many others in its index, they have filled the count.
  const { rows } = await sql<{ ahead: number }>`
    with me as materialized (select rank, id from tasks where id = ${taskId})
    select count(*)::int as ahead from (
      select from me, unnest(${lanes.pull}::int[]) l(id) cross join lateral (
        select from tasks where lane = l.id and ${before} and execution_mode <> 'ssh_cli'
        order by rank, id limit ${MOST_AHEAD}) t
      union all
      select from me, unnest(${lanes.hosts}::int[]) l(id) cross join lateral (
        select from tasks where lane = l.id and ${before} and execution_mode <> 'http_pull'
          and (execution_mode = 'ssh_cli' or l.id <> all(${lanes.pull}::int[]))
        order by rank, id limit ${MOST_AHEAD}) t
      limit ${MOST_AHEAD}) ahead`.execute(db);
  return onlyRow(rows).ahead;
}
