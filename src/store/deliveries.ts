import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import type { Decision, Delivery, DeliveryInFull } from '../domain/delivery.ts';
import type { Database, DeliveryRow } from './schema.ts';

type Db = Kysely<Database>;

const columns = [
  'id',
  'forge',
  'forge_uuid',
  'event_type',
  'action',
  'repository',
  'sender',
  'received_at',
  'decision',
  'reason',
  'task_ids',
  'duplicate_of',
] as const;
type Row = Pick<DeliveryRow, (typeof columns)[number]>;

export type DeliveryFilter = {
  forgeUuid?: string | undefined;
  decision?: Decision | undefined;
  /** `owner/name`, as the forge wrote it. */
  repository?: string | undefined;
  taskId?: string | undefined;
};
export type DeliveryPosition = { receivedAt: string; id: string };

/** Newest first. */
export async function listDeliveries(
  db: Db,
  filter: DeliveryFilter,
  limit: number,
  after: DeliveryPosition | null,
): Promise<Delivery[]> {
  let query = filtered(db.selectFrom('deliveries').select(columns), filter);
  if (after) {
    query = query.where(sql<boolean>`(received_at, id) < (${after.receivedAt}::timestamptz, ${after.id}::uuid)`);
  }
  const rows = await query.orderBy('received_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
  return rows.map(toDelivery);
}

type DeliveryQuery = SelectQueryBuilder<Database, 'deliveries', Row>;

function filtered(query: DeliveryQuery, filter: DeliveryFilter): DeliveryQuery {
  const conditions = [
    filter.forgeUuid && sql<boolean>`forge_uuid = ${filter.forgeUuid}`,
    filter.decision && sql<boolean>`decision = ${filter.decision}`,
    filter.repository && sql<boolean>`repository = ${filter.repository}`,
    filter.taskId && sql<boolean>`${filter.taskId}::uuid = any(task_ids)`,
  ];
  return conditions.reduce<DeliveryQuery>((q, condition) => (condition ? q.where(condition) : q), query);
}

export async function findDelivery(db: Db, id: string): Promise<DeliveryInFull | null> {
  const row = await db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return null;
  return { ...toDelivery(row), headers: row.headers, body: row.body, rules: row.rules };
}

const toDelivery = (row: Row): Delivery => ({
  id: row.id,
  forge: row.forge,
  forgeUuid: row.forge_uuid,
  eventType: row.event_type,
  action: row.action,
  repository: row.repository,
  sender: row.sender,
  receivedAt: row.received_at,
  decision: row.decision,
  reason: row.reason,
  taskIds: row.task_ids,
  duplicateOf: row.duplicate_of,
});
