import { type Kysely, sql, type Transaction } from 'kysely';
import type { Json } from '../domain/canonical-json.ts';
import type { Decision, RuleVerdict } from '../domain/delivery.ts';
import type { Database } from './schema.ts';

type Trx = Transaction<Database>;

export type NewDelivery = {
  id: string;
  forge: string;
  forgeUuid: string | null;
  eventType: string;
  action: string | null;
  repository: string | null;
  sender: string | null;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
  bodyHash: Buffer;
};

const UNDECIDED = { decision: 'ignored', reason: '', rules: '[]', facts: '{}', task_ids: [] as string[] } as const;

/**
 * Stores a delivery unless its bytes came before. Waits for another transaction that stores the same bytes, so of many
 * at once one answers true; the others find its row with {@link findFirstDelivery} in their next statement.
 */
export async function insertFirstDelivery(trx: Trx, delivery: NewDelivery): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('deliveries')
    .values({ ...columnsOf(delivery), ...UNDECIDED })
    .onConflict((conflict) => conflict.columns(['forge', 'body_hash']).where('duplicate_of', 'is', null).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

export type FirstDelivery = { id: string; task_ids: string[] };

export async function findFirstDelivery(db: Kysely<Database>, forge: string, bodyHash: Buffer): Promise<FirstDelivery> {
  return db
    .selectFrom('deliveries')
    .select(['id', 'task_ids'])
    .where('forge', '=', forge)
    .where('body_hash', '=', bodyHash)
    .where('duplicate_of', 'is', null)
    .executeTakeFirstOrThrow();
}

/** Stores a delivery whose bytes came before; it has the tasks of the first. */
export async function insertDuplicate(
  trx: Trx,
  delivery: NewDelivery,
  first: FirstDelivery,
  reason: string,
): Promise<void> {
  await trx
    .insertInto('deliveries')
    .values({
      ...columnsOf(delivery),
      ...UNDECIDED,
      decision: 'merged',
      reason,
      task_ids: first.task_ids,
      duplicate_of: first.id,
    })
    .execute();
}

const columnsOf = (delivery: NewDelivery) => ({
  id: delivery.id,
  forge: delivery.forge,
  forge_uuid: delivery.forgeUuid,
  event_type: delivery.eventType,
  action: delivery.action,
  repository: delivery.repository,
  sender: delivery.sender,
  headers: JSON.stringify(delivery.headers),
  body: Buffer.from(delivery.body),
  body_hash: delivery.bodyHash,
});

export type Decided = {
  decision: Decision;
  reason: string;
  rules: readonly RuleVerdict[];
  facts: { readonly [key: string]: Json };
  taskIds: readonly string[];
};

/** Writes the one decision on a delivery, in the transaction that stored it. */
export async function writeDecision(trx: Trx, deliveryId: string, decided: Decided): Promise<void> {
  await trx
    .updateTable('deliveries')
    .set({
      decision: decided.decision,
      reason: decided.reason,
      rules: JSON.stringify(decided.rules),
      facts: JSON.stringify(decided.facts),
      task_ids: [...decided.taskIds],
    })
    .where('id', '=', deliveryId)
    .execute();
}

export type EffectKey = { forge: string; kind: string; object: string; template: string };

/** Claims an effect for a task; answers the task that has it: this one, or the one that had it before. */
export async function claimEffect(trx: Trx, key: EffectKey, taskId: string): Promise<string> {
  const { rows } = await sql`
    insert into effects (forge, kind, object, template, task_id)
    values (${key.forge}, ${key.kind}, ${key.object}, ${key.template}, ${taskId})
    on conflict do nothing returning task_id`.execute(trx);
  if (rows.length > 0) return taskId;
  const row = await trx
    .selectFrom('effects')
    .select('task_id')
    .where('forge', '=', key.forge)
    .where('kind', '=', key.kind)
    .where('object', '=', key.object)
    .where('template', '=', key.template)
    .executeTakeFirstOrThrow();
  return row.task_id;
}

export type IssueKey = { forge: string; repositoryId: number; issue: number };
export type StoredIssue = {
  labels: readonly string[];
  episodes: Readonly<Record<string, number>>;
  observedAt: Date;
  uncertain: boolean;
};

/** Stores what is first known of an issue; false when something is known already. Either way the row is there after. */
export async function insertIssue(trx: Trx, key: IssueKey, state: StoredIssue): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('issue_state')
    .values({ forge: key.forge, repository_id: key.repositoryId, issue: key.issue, ...stateColumns(state) })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** What is known of an issue, locked: decisions that compare with it stand in line. */
export async function lockIssue(trx: Trx, key: IssueKey): Promise<StoredIssue> {
  const row = await trx
    .selectFrom('issue_state')
    .selectAll()
    .where('forge', '=', key.forge)
    .where('repository_id', '=', key.repositoryId)
    .where('issue', '=', key.issue)
    .forUpdate()
    .executeTakeFirstOrThrow();
  return {
    labels: row.labels,
    episodes: row.episodes,
    observedAt: new Date(row.observed_at),
    uncertain: row.uncertain,
  };
}

export async function updateIssue(trx: Trx, key: IssueKey, state: StoredIssue): Promise<void> {
  await trx
    .updateTable('issue_state')
    .set(stateColumns(state))
    .where('forge', '=', key.forge)
    .where('repository_id', '=', key.repositoryId)
    .where('issue', '=', key.issue)
    .execute();
}

const stateColumns = (state: StoredIssue) => ({
  labels: [...state.labels],
  episodes: JSON.stringify(state.episodes),
  observed_at: state.observedAt.toISOString(),
  uncertain: state.uncertain,
});
