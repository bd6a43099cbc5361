import { type Kysely, sql } from 'kysely';
import type { Json } from '../domain/canonical-json.ts';
import type { Actor } from '../domain/task.ts';
import { nextEvent } from './event-chain.ts';
import { storedRank } from './ranks.ts';
import type { Database, TaskRow } from './schema.ts';
import { UNRANKED_COLUMNS } from './task-columns.ts';

export type Created = { row: TaskRow; actor: Actor; data: { readonly [key: string]: Json } };

/** The row as it stands with the first event of its chain. */
type Begun = { row: TaskRow; text: string; hash: string };

/**
 * Writes new tasks, each with the first event of its chain, in one statement; answers the rows as they stand. A task is
 * written before any event has its number: who reads the feed goes by the order of the transactions that wrote something.
 */
export async function insertTasks(db: Kysely<Database>, created: readonly Created[]): Promise<TaskRow[]> {
  const begun = created.map(begin);
  const rows = begun.map(({ row }) => row);
  if (rows.length === 0) return [];
  await sql`
    with made as (
      insert into tasks (rank, ${UNRANKED_COLUMNS})
      select coalesce(${storedRank()}, rank), ${UNRANKED_COLUMNS}
      from json_populate_recordset(null::tasks, ${toJson(rows)}::json)
      returning id)
    insert into events (task_id, n, type, text, hash)
    select id, 1, 'created', text, hash
    from unnest(${rows.map((row) => row.id)}::uuid[], ${begun.map(({ text }) => text)}::text[],
      ${rows.map((row) => row.event_hash)}::text[]) as e(id, text, hash)
    where exists (select from made)`.execute(db);
  return rows;
}

function begin({ row, actor, data }: Created): Begun {
  const head = { taskId: row.id, n: 0, hash: null, status: null };
  const { n, text, hash } = nextEvent(head, { type: 'created', actor, data }, row.created_at, 'pending');
  return { row: { ...row, event_n: n, event_hash: hash }, text, hash };
}

/** Bytes as PostgreSQL reads them; everything else is JSON as it is. */
const toJson = (rows: readonly TaskRow[]): string =>
  JSON.stringify(
    rows.map((row) =>
      row.input_bytes === null ? row : { ...row, input_bytes: `\\x${Buffer.from(row.input_bytes).toString('hex')}` },
    ),
  );
