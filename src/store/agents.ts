import { type Kysely, sql, type Transaction } from 'kysely';
import type { Agent, HostDefinition } from '../domain/agent.ts';
import type { Abilities } from '../domain/may-run.ts';
import type { AgentMode } from '../domain/task.ts';
import { affectedRows } from './answers.ts';
import { placesTaken } from './places.ts';
import type { AgentRow, Database } from './schema.ts';

type Db = Kysely<Database>;
type Trx = Transaction<Database>;
type Row = AgentRow & { running: number };

/** Agents that aren't deleted, with the places taken: attempts that are open or that the machine may still run. */
const liveAgents = (db: Db) =>
  db.selectFrom('agents').selectAll('agents').select(placesTaken.as('running')).where('agents.deleted_at', 'is', null);

export async function findAgent(db: Db, id: string): Promise<Agent | null> {
  const row = await liveAgents(db).where('agents.id', '=', id).executeTakeFirst();
  return row === undefined ? null : toAgent(row);
}

/** In the order of their names, which are unique among agents that aren't deleted. */
export async function listAgents(db: Db, limit: number, afterName: string | null): Promise<Agent[]> {
  let query = liveAgents(db);
  if (afterName !== null) query = query.where('agents.name', '>', afterName);
  return (await query.orderBy('agents.name').limit(limit).execute()).map(toAgent);
}

/** What agents are called, deleted ones too. */
export async function agentNames(db: Db, ids: readonly string[]): Promise<{ id: string; name: string }[]> {
  return ids.length === 0 ? [] : db.selectFrom('agents').select(['id', 'name']).where('id', 'in', ids).execute();
}

export async function hasAttempted(db: Db, agentId: string, taskId: string): Promise<boolean> {
  const row = await db
    .selectFrom('attempts')
    .select('id')
    .where('task_id', '=', taskId)
    .where('agent_id', '=', agentId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

export type NewPullAgent = Pick<Agent, 'id' | 'name' | 'labels' | 'capacity' | 'version' | 'online'> &
  Abilities & { publicKey?: string | null };

/** Adds a pull agent; answers false if the name is taken, by a host too. One that is online was seen now. */
export async function insertPullAgent(trx: Trx, { publicKey = null, ...agent }: NewPullAgent): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('agents')
    .values({
      ...agent,
      limits: agent.limits && [...agent.limits],
      sandboxes: agent.sandboxes && [...agent.sandboxes],
      policy: agent.policy && JSON.stringify(agent.policy),
      restriction: agent.restriction && JSON.stringify(agent.restriction),
      public_key: publicKey,
      execution_mode: 'http_pull',
      last_seen_at: agent.online ? sql<string>`clock_timestamp()` : null,
    })
    .onConflict((conflict) => conflict.column('name').where('deleted_at', 'is', null).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** The row of an agent that isn't deleted, locked as whoever gives out its places locks it. */
export async function lockAgent(trx: Trx, id: string): Promise<AgentRow | null> {
  const row = await trx
    .selectFrom('agents')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row ?? null;
}

/** The kind of an agent that may be named; its row is shared, so that it can't be deleted while a task is given to it. */
export async function agentModeForNaming(db: Db, id: string): Promise<AgentMode | null> {
  const row = await db
    .selectFrom('agents')
    .select('execution_mode')
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .forShare()
    .executeTakeFirst();
  return row?.execution_mode ?? null;
}

/** The row of an agent that is to be deleted: nobody gives it a task, or gives one back to it, meanwhile. */
export async function lockAgentToDelete(trx: Trx, id: string): Promise<AgentRow | null> {
  const row = await trx
    .selectFrom('agents')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  return row ?? null;
}

/**
 * Whether an agent isn't deleted; it can't be until the transaction ends. Of all locks the least: claims of the agent
 * go on.
 */
export async function isStillThere(trx: Trx, id: string): Promise<boolean> {
  const row = await trx
    .selectFrom('agents')
    .select('id')
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .forKeyShare()
    .executeTakeFirst();
  return row !== undefined;
}

export type AgentPatch = Partial<
  Pick<AgentRow, 'labels' | 'capacity' | 'cordoned' | 'cordon_reason' | 'draining' | 'allowed_networks'>
>;

export async function changeAgent(trx: Trx, id: string, patch: AgentPatch): Promise<void> {
  await trx.updateTable('agents').set(patch).where('id', '=', id).execute();
}

/** Its row stays for the history, its name is free. */
export async function markAgentDeleted(trx: Trx, id: string): Promise<void> {
  await trx.updateTable('agents').set({ deleted_at: sql<string>`now()`, online: false }).where('id', '=', id).execute();
}

/** Locks every host that isn't deleted, in the order in which claims lock them. */
export async function lockHosts(trx: Trx): Promise<void> {
  await sql`
    select 1 from agents where execution_mode = 'ssh_cli' and deleted_at is null
    order by id for update`.execute(trx);
}

/**
 * Adds a host of the configuration, or brings it up to date; answers false if an agent that pulls has this id. No host
 * has a sandbox: that needs an agent on the machine.
 * Violates `agents_name` if one has this name.
 */
export async function upsertHost(trx: Trx, host: HostDefinition): Promise<boolean> {
  const result = await sql`
    insert into agents (id, name, execution_mode, labels, capacity, sandboxes)
    values (${host.id}, ${host.id}, 'ssh_cli', ${host.labels}::text[], ${host.capacity}, '{}')
    on conflict (id) do update
      set labels = excluded.labels, capacity = excluded.capacity, sandboxes = '{}', deleted_at = null
      where agents.execution_mode = 'ssh_cli'`.execute(trx);
  return affectedRows(result) === 1;
}

/** Which limits a host can keep; answers whether that is news. */
export async function setHostLimits(db: Db, id: string, limits: readonly string[]): Promise<boolean> {
  const result = await sql`
    update agents set limits = ${[...limits]}::text[]
    where id = ${id} and execution_mode = 'ssh_cli' and limits is distinct from ${[...limits]}::text[]`.execute(db);
  return affectedRows(result) === 1;
}

const toAgent = (row: Row): Agent => ({
  id: row.id,
  name: row.name,
  executionMode: row.execution_mode,
  online: row.online,
  stateReason: row.state_reason,
  cordoned: row.cordoned,
  cordonReason: row.cordon_reason,
  draining: row.draining || row.says_draining !== null,
  allowedNetworks: row.allowed_networks,
  labels: row.labels,
  capacity: row.capacity,
  running: row.running,
  lastSeenAt: row.last_seen_at,
  version: row.version,
  metrics: row.metrics,
  createdAt: row.created_at,
});
