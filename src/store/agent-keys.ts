import { type Kysely, sql, type Transaction } from 'kysely';
import type { Abilities } from '../domain/may-run.ts';
import type { Restriction } from '../domain/restriction.ts';
import type { AgentRow, Database } from './schema.ts';

type Db = Kysely<Database>;
type Trx = Transaction<Database>;

export type AgentKey = {
  agent_id: string;
  public_key: string;
  /** From where the agent may call; none: from anywhere. */
  networks: string[];
  restriction: Restriction | null;
  offline: boolean;
  /** It counts as offline, or was not seen for as long as asked. */
  unseen: boolean;
};

/** The keys of these agents, but of those that are deleted or have none. */
export async function findAgentKeys(db: Db, agentIds: readonly string[], seenSeconds: number): Promise<AgentKey[]> {
  const { rows } = await sql<AgentKey>`
    select id as agent_id, public_key, allowed_networks as networks, restriction, not online as offline,
      coalesce(not online or last_seen_at < now() - make_interval(secs => ${seenSeconds}), true) as unseen
    from agents
    where id = any(${agentIds}::text[]) and public_key is not null and deleted_at is null`.execute(db);
  return rows;
}

/** The agent that has this name, locked; null where there is none. */
export async function lockAgentByName(trx: Trx, name: string): Promise<AgentRow | null> {
  const row = await trx
    .selectFrom('agents')
    .selectAll()
    .where('name', '=', name)
    .where('deleted_at', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row ?? null;
}

export type Told = Abilities & Pick<AgentRow, 'capacity' | 'version' | 'public_key'> & { labels: readonly string[] };

/** Of a locked agent: what it says of itself now. It was seen now. */
export async function setTold(trx: Trx, agentId: string, told: Told): Promise<void> {
  await trx
    .updateTable('agents')
    .set({
      ...told,
      labels: [...told.labels],
      limits: told.limits && [...told.limits],
      sandboxes: told.sandboxes && [...told.sandboxes],
      policy: told.policy && JSON.stringify(told.policy),
      restriction: told.restriction && JSON.stringify(told.restriction),
      online: true,
      last_seen_at: sql<string>`clock_timestamp()`,
    })
    .where('id', '=', agentId)
    .execute();
}

/** Of a locked agent: its tokens are good for so much longer, and not more. */
export async function endTokensSoon(trx: Trx, agentId: string, seconds: number): Promise<void> {
  await sql`
    update tokens set expires_at = now() + make_interval(secs => ${seconds})
    where agent_id = ${agentId} and revoked_at is null
      and (expires_at is null or expires_at > now() + make_interval(secs => ${seconds}))`.execute(trx);
}
