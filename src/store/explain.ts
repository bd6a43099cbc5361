import { type Kysely, sql } from 'kysely';
import type { GateFacts, KeptFrom, Taker } from '../domain/explain.ts';
import type { AgentPolicy } from '../domain/may-run.ts';
import type { Task } from '../domain/task.ts';
import { keptFrom } from './claims.ts';
import type { AgentRow, Database } from './schema.ts';

type Db = Kysely<Database>;

/** More agents than this aren't looked at to say why a task waits. */
const MOST_TAKERS = 10_000;

/** All that a claim goes by, of every agent that isn't deleted, by name. */
export async function takers(db: Db): Promise<Taker[]> {
  const { rows } = await sql<TakerRow>`
    select id, name, execution_mode, labels, capacity, online, state_reason, cordoned, cordon_reason,
      draining or says_draining is not null as draining, last_seen_at, limits, sandboxes, policy::text as policy,
      (select count(*)::int from attempts where attempts.agent_id = agents.id and not attempts.settled) as running
    from agents where deleted_at is null order by name limit ${MOST_TAKERS}`.execute(db);
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
  }));
}

type TakerRow = Omit<AgentRow, 'policy'> & { policy: string | null; running: number };

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
export const MOST_AHEAD = 10_000;

/** Of the agents that could take a task: whose lanes to look at. */
type Servers = { agentIds: readonly string[]; labelSets: readonly (readonly string[])[] };

/**
 * How many tasks come before this one: ready, of a better rank, and such that one of these agents could take them too, by
 * mode, labels or name. One index entry is read for each, at most MOST_AHEAD of them.
 */
export async function countAhead(
  db: Db,
  taskId: string,
  agents: readonly Pick<Taker, 'id' | 'executionMode' | 'labels'>[],
): Promise<number> {
  const servers = (mode: Taker['executionMode']) => serversOf(agents.filter((one) => one.executionMode === mode));
  const [pull, hosts] = [servers('http_pull'), servers('ssh_cli')];
  if (pull.agentIds.length + hosts.agentIds.length === 0) return 0;
  const before = sql`status = 'pending' and ready and (rank, id) < (me.rank, me.id)`;
  const { rows } = await sql<{ ahead: number }>`
    with me as materialized (select rank, id from tasks where id = ${taskId}),
    served as materialized (
      select id, ${serves(pull)} as by_pull, ${serves(hosts)} as by_host from lanes)
    select count(*)::int as ahead from (
      select from served l cross join me cross join lateral (
        select from tasks where lane = l.id and ${before} and execution_mode <> 'ssh_cli'
          and (l.by_pull or execution_mode = 'undecided')
        order by rank, id limit ${MOST_AHEAD}) t
      where l.by_pull or l.by_host
      union all
      select from served l cross join me cross join lateral (
        select from tasks where lane = l.id and ${before} and execution_mode <> 'http_pull' and execution_mode = 'ssh_cli'
        order by rank, id limit ${MOST_AHEAD}) t
      where l.by_host
      limit ${MOST_AHEAD}) ahead`.execute(db);
  return rows[0]?.ahead ?? 0;
}

function serversOf(agents: readonly Pick<Taker, 'id' | 'labels'>[]): Servers {
  const sets = new Map(agents.map(({ labels }) => [JSON.stringify(labels.toSorted()), labels]));
  return { agentIds: agents.map(({ id }) => id), labelSets: [...sets.values()] };
}

/** Whether one of them serves the lane at hand; most lanes that none does need a label that none has. */
function serves({ agentIds, labelSets }: Servers) {
  if (agentIds.length === 0) return sql`false`;
  const any = [...new Set(labelSets.flat())];
  const sets = labelSets.map((labels) => JSON.stringify(labels));
  return sql`case when agent_id is not null then agent_id = any(${agentIds}::text[])
    else requires <@ ${any}::text[] and exists (
      select from unnest(${sets}::jsonb[]) s(labels)
      where s.labels @> to_jsonb(lanes.requires)) end`;
}
