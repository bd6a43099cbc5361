import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Database } from './schema.ts';

export type Condition = RawBuilder<boolean>;
/** Where a task stands in an order. */
export type Place = { key: string; id: string };
export type Order = {
  key: RawBuilder<unknown>;
  type: RawBuilder<unknown>;
  on: RawBuilder<unknown>;
  back: RawBuilder<unknown>;
  beyond: RawBuilder<unknown>;
};

export const NEWEST: Order = {
  key: sql`tasks.created_at`,
  type: sql`timestamptz`,
  on: sql`desc`,
  back: sql`asc`,
  beyond: sql`<`,
};
export const QUEUE: Order = {
  key: sql`(tasks.rank + 0)`,
  type: sql`bigint`,
  on: sql`asc`,
  back: sql`desc`,
  beyond: sql`>`,
};

export type Walk = {
  order: Order;
  /** Each is served by an index in this order, or is of few tasks; no task is on two of them. */
  ways: readonly Condition[];
  /** What no index knows of: looked at in each task that is stepped over. */
  fits: Condition;
  after: Place | null;
};
/** `reached`: how far was looked when there may be more; null at the end. */
export type Walked = { found: Place[]; reached: Place | null };

/** Nothing was asked for yet, and there is some. */
const BEFORE_ALL: Place = { key: '9999-12-31T23:59:59.999999Z', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };
/** Most that is looked for has some among the next few. */
const FEW = 500;
/** What is rare is looked for in so many, and the next page goes on from there: no page takes long. */
const MANY = 6_000;

/** The next tasks in an order, at most so many. */
export async function walk(
  db: Kysely<Database>,
  asked: Walk,
  limit: number,
  { few, many } = { few: FEW, many: MANY },
): Promise<Walked> {
  const near = await step(db, asked, limit, few);
  return near.found.length === limit || near.reached === null ? near : step(db, asked, limit, many);
}

type Row = { id: string; key: string | number; found: boolean };

/** Of each way as many tasks as are looked at, those that fit, and the last one where there are more than that. */
async function step(
  db: Kysely<Database>,
  { order, ways, fits, after }: Walk,
  limit: number,
  window: number,
): Promise<Walked> {
  if (ways.length === 0) return { found: [], reached: null };
  const { key, type, on, back, beyond } = order;
  const range =
    after === null ? sql`true` : sql`(${key}, tasks.id) ${beyond} (${after.key}::${type}, ${after.id}::uuid)`;
  const name = (index: number) => sql.raw(`way${index}`);
  const looked = ways.map(
    (way, index) => sql`${name(index)} as materialized (
      select tasks.id, ${key} as key, coalesce(${fits}, false) as fits from tasks where ${way} and ${range}
      order by ${key} ${on}, tasks.id ${on} limit ${sql.lit(window)})`,
  );
  const parts = ways.flatMap((_, index) => [
    sql`(select id, key, true as found from ${name(index)} where fits order by key ${on}, id ${on} limit ${limit + 1})`,
    sql`(select id, key, false as found from (select id, key, count(*) over () as n from ${name(index)}) w
         where n = ${sql.lit(window)} order by key ${back}, id ${back} limit 1)`,
  ]);
  const { rows } = await sql<Row>`
    with ${sql.join(looked)}
    select id, key, found from (${sql.join(parts, sql` union all `)}) t
    order by key ${on}, id ${on}, found desc`.execute(db);
  return asFarAsLooked(rows, limit);
}

/** Beyond the first end of a way, tasks of that way would be missing between the others. */
function asFarAsLooked(rows: readonly Row[], limit: number): Walked {
  const end = rows.findIndex(({ found }) => !found);
  const found = (end === -1 ? rows : rows.slice(0, end)).map(placeOf);
  const last = rows[end];
  if (found.length > limit) return { found: found.slice(0, limit), reached: found[limit - 1] ?? BEFORE_ALL };
  return { found, reached: last === undefined ? null : placeOf(last) };
}

const placeOf = ({ id, key }: Row): Place => ({ id, key: String(key) });
