import { type Kysely, sql } from 'kysely';
import { onlyRow } from './answers.ts';
import { type EventInTable, type StoredEvent, toEvent } from './events.ts';
import type { Database } from './schema.ts';

/** `oldest`: the oldest transaction that was open when the events were read. */
export type FeedPart<T> = { events: T[]; oldest: bigint };

type Row = { [K in keyof EventInTable]: EventInTable[K] | null } & { oldest: string };

const OLDEST = sql`(select pg_snapshot_xmin(pg_current_snapshot()) as oldest)`;

/**
 * Events of all tasks after a number, but for those whose transaction isn't older than every open one. Two that are
 * written at the same time commit in any order, so this alone doesn't yet make a list without holes: `settle` does.
 */
export async function readFeed(db: Kysely<Database>, after: number, limit: number): Promise<FeedPart<StoredEvent>> {
  const { rows } = await sql<Row>`
    select s.oldest, e.sequence, e.n, e.text, e.hash, p.hash as previous_hash
    from ${OLDEST} s
    left join lateral (
      select sequence, task_id, n, text, hash from events
      where sequence > ${after} and xact < s.oldest
      order by sequence limit ${limit}) e on true
    left join lateral (
      select hash from events where task_id = e.task_id and n = e.n - 1) p on true
    order by e.sequence`.execute(db);
  const events = rows.flatMap((row) => (row.sequence === null ? [] : [toEvent(row as EventInTable)]));
  return { events, oldest: BigInt(onlyRow(rows).oldest) };
}

/** Their numbers alone, for who needs no more than that nothing comes in between: the young ones are among them. */
export async function readSequences(
  db: Kysely<Database>,
  after: number,
  limit: number,
): Promise<FeedPart<{ sequence: number }>> {
  const { rows } = await sql<{ oldest: string; sequences: number[] }>`
    select oldest, array(
      select sequence from events where sequence > ${after} order by sequence limit ${limit})::float8[] as sequences
    from ${OLDEST} s`.execute(db);
  const { oldest, sequences } = onlyRow(rows);
  return { events: sequences.map((sequence) => ({ sequence })), oldest: BigInt(oldest) };
}

/** The number of a new transaction: all that write already are older. A snapshot doesn't tell, so one is made. */
export async function youngestTransaction(db: Kysely<Database>): Promise<bigint> {
  const { rows } = await sql<{ id: string }>`select pg_current_xact_id() as id`.execute(db);
  return BigInt(onlyRow(rows).id);
}

/** The numbers of the last few events as they stand now, the newest first. */
export async function lastSequences(db: Kysely<Database>, few: number): Promise<number[]> {
  const { rows } = await sql<{ sequence: number }>`
    select sequence from events order by sequence desc limit ${few}`.execute(db);
  return rows.map((row) => row.sequence);
}
