import { type Kysely, sql, type Transaction } from 'kysely';
import type { Restriction } from '../domain/restriction.ts';
import type { AgentMode } from '../domain/task.ts';
import type { Scope, Token } from '../domain/token.ts';
import type { Database, TokenRow } from './schema.ts';

type Db = Kysely<Database>;
type Trx = Transaction<Database>;

export type NewTokenRow = {
  id: string;
  name: string;
  scope: Scope;
  hash: Buffer;
  agentId: string | null;
  expiresInSeconds: number | null;
  /** Null: for all tasks. */
  restriction: Restriction | null;
};

export async function insertToken(trx: Trx, token: NewTokenRow): Promise<Token> {
  const { id, name, scope, hash, agentId, expiresInSeconds, restriction } = token;
  const row = await trx
    .insertInto('tokens')
    .values({
      id,
      name,
      scope,
      hash,
      agent_id: agentId,
      restriction: restriction && JSON.stringify(restriction),
      expires_at: expiresInSeconds === null ? null : sql<string>`now() + make_interval(secs => ${expiresInSeconds})`,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return toToken(row);
}

export type TokenPosition = { createdAt: string; id: string };

/** Tokens that aren't revoked, newest first. */
export async function listTokens(db: Db, limit: number, after: TokenPosition | null): Promise<Token[]> {
  let query = db.selectFrom('tokens').selectAll().where('revoked_at', 'is', null);
  if (after) query = query.where(sql<boolean>`(created_at, id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)`);
  const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
  return rows.map(toToken);
}

/** Answers false if there is no such token, or it was revoked before. */
export async function revokeToken(db: Db, id: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('tokens')
    .set({ revoked_at: sql<string>`now()` })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export async function revokeTokensOfAgent(trx: Trx, agentId: string): Promise<void> {
  await trx
    .updateTable('tokens')
    .set({ revoked_at: sql<string>`now()` })
    .where('agent_id', '=', agentId)
    .where('revoked_at', 'is', null)
    .execute();
}

/** Whether an admin token was ever made, revoked or not. */
export async function hadAdminToken(trx: Trx): Promise<boolean> {
  const row = await trx.selectFrom('tokens').select('id').where('scope', '=', 'admin').limit(1).executeTakeFirst();
  return row !== undefined;
}

export type TokenUse = Pick<TokenRow, 'id' | 'name' | 'scope' | 'agent_id' | 'hash'> & {
  /** Its agent's, where it is one of an agent. */
  restriction: Restriction | null;
  /** From where its agent may call; none: from anywhere. */
  networks: string[];
  /** Its last use was noted more than a minute ago, or never. */
  unnoted: boolean;
  /** Of an agent that counts as offline. */
  offline: boolean;
  /** Of an agent that counts as offline, or was not seen for as long as asked. */
  unseen: boolean;
};

/** The tokens of these hashes but those that are revoked or expired, or whose agent is deleted. */
export async function findValidTokens(db: Db, hashes: readonly Buffer[], seenSeconds: number): Promise<TokenUse[]> {
  const { rows } = await sql<TokenUse>`
    select t.id, t.name, t.scope, t.agent_id, t.hash, case when a.id is null then t.restriction else a.restriction end as restriction,
      coalesce(a.allowed_networks, '{}') as networks,
      coalesce(t.last_used_at < now() - interval '1 minute', true) as unnoted,
      a.id is not null and not a.online as offline,
      a.id is not null
        and coalesce(not a.online or a.last_seen_at < now() - make_interval(secs => ${seenSeconds}), true) as unseen
    from tokens t left join agents a on a.id = t.agent_id
    where t.hash = any(${hashes}::bytea[]) and t.revoked_at is null
      and (t.expires_at is null or t.expires_at > now())
      and a.deleted_at is null`.execute(db);
  return rows;
}

export type ShownToken = Pick<TokenRow, 'id' | 'name' | 'scope' | 'restriction'>;

/** A token that isn't revoked or expired, by its id: for who showed its text before. Null for one of an agent. */
export async function findValidTokenById(db: Db, id: string): Promise<ShownToken | null> {
  const row = await db
    .selectFrom('tokens')
    .select(['id', 'name', 'scope', 'restriction'])
    .where('id', '=', id)
    .where('agent_id', 'is', null)
    .where('revoked_at', 'is', null)
    .where(sql<boolean>`(expires_at is null or expires_at > now())`)
    .executeTakeFirst();
  return row ?? null;
}

/** What tokens are called, revoked ones too. */
export async function tokenNames(db: Db, ids: readonly string[]): Promise<{ id: string; name: string }[]> {
  return ids.length === 0 ? [] : db.selectFrom('tokens').select(['id', 'name']).where('id', 'in', ids).execute();
}

export async function noteTokenUses(db: Db, ids: readonly string[]): Promise<void> {
  await sql`
    update tokens set last_used_at = now()
    where id in (select id from tokens where id = any(${ids}::uuid[]) order by id for no key update)`.execute(db);
}

export type AttemptTokenUse = {
  id: string;
  task_id: string;
  agent_id: string;
  execution_mode: AgentMode;
  open: boolean;
  token_hash: Buffer;
  networks: string[];
  /** Its agent's. */
  restriction: Restriction | null;
};

/** The attempts of these ids with the hashes of their tokens, each while it is open and for ten minutes after its end. */
export async function findTokensOfAttempts(db: Db, ids: readonly string[]): Promise<AttemptTokenUse[]> {
  const { rows } = await sql<AttemptTokenUse>`
    select t.id, t.task_id, t.agent_id, t.execution_mode, t.finished_at is null as open, t.token_hash,
      a.allowed_networks as networks, a.restriction
    from attempts t join agents a on a.id = t.agent_id
    where t.id = any(${ids}::uuid[])
      and (t.finished_at is null or t.finished_at > now() - interval '10 minutes')`.execute(db);
  return rows;
}

const toToken = (row: TokenRow): Token => ({
  id: row.id,
  name: row.name,
  scope: row.scope,
  agentId: row.agent_id,
  expiresAt: row.expires_at,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
  restriction: row.restriction,
});
