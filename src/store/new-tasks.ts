import { type Kysely, sql } from 'kysely';
import type { Json } from '../domain/canonical-json.ts';
import { eventTextAround } from '../domain/event.ts';
import type { Actor } from '../domain/task.ts';
import { onlyRow } from './answers.ts';
import { eventAfter, TOLD } from './event-chain.ts';
import { storedRank } from './ranks.ts';
import type { Database, TaskRow } from './schema.ts';
import { GIVEN_COLUMNS, type Made } from './task-columns.ts';

/** A row before it is written. `ready` says whether nothing but its time keeps it. */
export type NewRow = Omit<TaskRow, Made> & Pick<TaskRow, 'ready'>;
export type Created = { row: NewRow; actor: Actor; data: { readonly [key: string]: Json } };
/** A row as it was written, as far as anybody asks for it. */
export type WrittenRow = Omit<TaskRow, 'rank' | 'event_n' | 'event_hash'>;
/** With the lowest rank of the ready ones among those that were written with it; null if none is ready. */
export type RankedRow = WrittenRow & { lowestRank: number | null };

export type InsertOptions = {
  /** When they are created: null for the moment of the statement. */
  at: string | null;
  /** Counts while the database has stored none. */
  ageingSecondsPerLevel: number;
};

/**
 * Writes new tasks, each with the first event of its chain, in one statement; answers the rows as they stand. A task is
 * written before any event has its number: who reads the feed goes by the order of the transactions that wrote something.
 * Rows are sent as far as they differ from the first: most of their columns don't, and reading those was half the work.
 */
export async function insertTasks(
  db: Kysely<Database>,
  created: readonly Created[],
  { at: fixed, ageingSecondsPerLevel }: InsertOptions,
): Promise<RankedRow[]> {
  const sent = created.map(({ row }) => asJson(row));
  const [first] = sent;
  if (first === undefined) return [];
  const { rows } = await sql<{ at: string; lowest: number | null }>`
    with given as (
      select r.*, null::text as previous
      from rows from (
        json_populate_recordset(
          json_populate_record(null::tasks, ${JSON.stringify(first)}::json),
          ${JSON.stringify(sent.map((row) => differenceTo(first, row)))}::json),
        json_to_recordset(${JSON.stringify(created.map(textAround))}::json) as (before text, after text)) r),
    clock as materialized (select coalesce(${fixed}::timestamptz, clock_timestamp()) as at), ${TOLD},
    made as (
      insert into tasks (
        rank, ready, ready_at, due_at, assigned_at, named_at, created_at, updated_at, event_n, event_hash,
        ${GIVEN_COLUMNS})
      select ${storedRank(ageingSecondsPerLevel, sql`at`)}, ready and due, case when ready and due then at end,
        case when not due then run_after end, case when named_agent_id is not null then at end,
        case when named_agent_id is not null then at end, at, at, 1, hash,
        ${GIVEN_COLUMNS}
      from x cross join lateral (select coalesce(run_after <= at, true) as due) d
      returning rank, ready),
    written as (
      insert into events (task_id, n, type, text, hash)
      select id, 1, 'created', text, hash from x where exists (select from made))
    select at, (select min(rank) from made where ready) as lowest from clock`.execute(db);
  const { at, lowest } = onlyRow(rows);
  return created.map(({ row }) => asWritten(row, at, lowest));
}

/** Whether its time has come. */
export const isDue = ({ run_after: runAfter }: Pick<NewRow, 'run_after'>, at: string): boolean =>
  runAfter === null || runAfter <= at;

function asWritten(row: NewRow, at: string, lowestRank: number | null): RankedRow {
  const due = isDue(row, at);
  const ready = row.ready && due;
  const namedAt = row.named_agent_id === null ? null : at;
  return {
    ...row,
    lowestRank,
    ready,
    ready_at: ready ? at : null,
    due_at: due ? null : row.run_after,
    assigned_at: namedAt,
    named_at: namedAt,
    created_at: at,
    updated_at: at,
  };
}

function textAround({ row, actor, data }: Created): { before: string; after: string } {
  const head = { taskId: row.id, n: 0, hash: null, status: null };
  const [before, after] = eventTextAround(eventAfter(head, { type: 'created', actor, data }, 'pending'));
  return { before, after };
}

type Sent = { readonly [column: string]: unknown };

/** Bytes as PostgreSQL reads them; everything else is JSON as it is. */
const asJson = (row: NewRow): Sent =>
  row.input_bytes === null ? row : { ...row, input_bytes: `\\x${Buffer.from(row.input_bytes).toString('hex')}` };

function differenceTo(first: Sent, row: Sent): Sent {
  const difference: Record<string, unknown> = {};
  for (const name in row) if (!isSame(first[name], row[name])) difference[name] = row[name] ?? null;
  return difference;
}

const isSame = (a: unknown, b: unknown): boolean =>
  a === b || (isObject(a) && isObject(b) && JSON.stringify(a) === JSON.stringify(b));

const isObject = (value: unknown) => typeof value === 'object' && value !== null;
