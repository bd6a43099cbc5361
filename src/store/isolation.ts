import { type Kysely, sql, type Transaction } from 'kysely';
import { affectedRows } from './answers.ts';
import type { Database } from './schema.ts';

type Db = Kysely<Database>;

/** Which of these agents have failed lately for causes of their own. */
export async function agentsWithFailures(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    select id from agents where id = any(${ids}::text[]) and own_failures <> '{}'`.execute(db);
  return rows.map(({ id }) => id);
}

/** Of a locked agent: the tasks that failed there in a row. */
export async function setOwnFailures(
  trx: Transaction<Database>,
  agentId: string,
  tasks: readonly string[],
): Promise<void> {
  await sql`update agents set own_failures = ${tasks}::uuid[] where id = ${agentId}`.execute(trx);
}

/** Cordons a locked agent and says why. */
export async function isolate(trx: Transaction<Database>, agentId: string, message: string): Promise<void> {
  await sql`
    update agents set cordoned = true, cordon_reason = 'isolated', isolated_at = clock.at,
      state_reason = jsonb_build_object('code', 'isolated', 'message', ${message}::text,
        'since', to_char(clock.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    from (select clock_timestamp() as at) as clock
    where id = ${agentId}`.execute(trx);
}

export async function isIsolated(db: Db, agentId: string): Promise<boolean> {
  const { rows } = await sql`select 1 from agents where id = ${agentId} and isolated_at is not null`.execute(db);
  return rows.length > 0;
}

/** Says anew why one is isolated; where it is out of reach that is said instead. */
export async function explainIsolation(db: Db, agentId: string, message: string): Promise<void> {
  await sql`
    update agents set state_reason = jsonb_build_object('code', 'isolated', 'message', ${message}::text,
      'since', to_char(isolated_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    where id = ${agentId} and isolated_at is not null and online`.execute(db);
}

const backIn = sql`cordoned = false, cordon_reason = null, own_failures = '{}', isolated_at = null,
  state_reason = case when state_reason ->> 'code' = 'isolated' then null else state_reason end`;

/** Lets back one that is isolated; answers whether it was. What a person cordoned stays so. */
export async function letBack(db: Db, agentId: string): Promise<boolean> {
  const result = await sql`
    update agents set ${backIn} where id = ${agentId} and isolated_at is not null`.execute(db);
  return affectedRows(result) === 1;
}

/** Lets back the agents that pull and were isolated for so long; answers how many. */
export async function letBackPullAgents(db: Db, seconds: number): Promise<number> {
  const result = await sql`
    update agents set ${backIn}
    where execution_mode = 'http_pull' and isolated_at < clock_timestamp() - make_interval(secs => ${seconds})`.execute(
    db,
  );
  return affectedRows(result);
}
