import { createHash } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { LOG_HEAD_BYTES, LOG_TAIL_BYTES } from '../domain/attempt.ts';
import type { Stream } from '../domain/machine.ts';
import type { Database } from './schema.ts';

type Db = Kysely<Database>;
type Trx = Transaction<Database>;

/** How far a stream has come: the next offset expected, and how many bytes its sender left out. */
export type StreamState = { totalBytes: number; leftOutBytes: number };

/** Locks a stream's row, making it for the first write. What comes after this in the transaction reads the truth. */
export async function lockStream(trx: Trx, attemptId: string, stream: Stream): Promise<StreamState> {
  const lock = () =>
    trx
      .selectFrom('attempt_streams')
      .select(['total_bytes as totalBytes', 'left_out_bytes as leftOutBytes'])
      .where('attempt_id', '=', attemptId)
      .where('stream', '=', stream)
      .forUpdate();
  const known = await lock().executeTakeFirst();
  if (known !== undefined) return known;
  await sql`
    insert into attempt_streams (attempt_id, stream) values (${attemptId}, ${stream})
    on conflict do nothing`.execute(trx);
  return await lock().executeTakeFirstOrThrow();
}

/** The task's open attempt has printed something; whoever ends it looks for that. The caller holds the row. */
export async function markLogged(trx: Trx, taskId: string): Promise<void> {
  await trx.updateTable('tasks').set({ has_log: true }).where('id', '=', taskId).execute();
}

/** Adds bytes at an offset that isn't before the end of what is stored. */
export async function appendLog(
  trx: Trx,
  attemptId: string,
  stream: Stream,
  offset: number,
  bytes: Uint8Array,
  state: StreamState,
): Promise<void> {
  const piece = { attempt_id: attemptId, stream, byte_offset: offset, bytes: Buffer.from(bytes) };
  const insert = trx.insertInto('attempt_logs').values(piece);
  await (bytes.length > 0 ? trx.with('piece', () => insert) : trx)
    .updateTable('attempt_streams')
    .set({ total_bytes: state.totalBytes, left_out_bytes: state.leftOutBytes })
    .where('attempt_id', '=', attemptId)
    .where('stream', '=', stream)
    .execute();
}

/** Drops what lies wholly between the head and the tail that are kept. */
export async function trimLog(trx: Trx, attemptId: string, stream: Stream, totalBytes: number): Promise<void> {
  await sql`
    delete from attempt_logs
    where attempt_id = ${attemptId} and stream = ${stream} and byte_offset >= ${LOG_HEAD_BYTES}
      and byte_offset + length(bytes) <= ${totalBytes - LOG_TAIL_BYTES}`.execute(trx);
}

/** A run of bytes that follow each other, at its offset in what the command wrote. */
export type LogPart = { offset: number; bytes: Buffer };

/** What is kept of a stream: its head, and its tail once there is more than both hold. */
export async function keptLog(
  db: Db,
  attemptId: string,
  stream: Stream,
): Promise<{ totalBytes: number; parts: LogPart[] }> {
  const state = await streamState(db, attemptId, stream);
  const rows = await db
    .selectFrom('attempt_logs')
    .select(['byte_offset', 'bytes'])
    .where('attempt_id', '=', attemptId)
    .where('stream', '=', stream)
    .orderBy('byte_offset')
    .execute();
  const tailFrom = Math.max(LOG_HEAD_BYTES, state.totalBytes - LOG_TAIL_BYTES);
  const cut = rows.flatMap((row) => cutToKept({ offset: row.byte_offset, bytes: row.bytes }, tailFrom));
  return { totalBytes: state.totalBytes, parts: joined(cut) };
}

async function streamState(db: Db, attemptId: string, stream: Stream): Promise<StreamState> {
  const row = await db
    .selectFrom('attempt_streams')
    .select(['total_bytes', 'left_out_bytes'])
    .where('attempt_id', '=', attemptId)
    .where('stream', '=', stream)
    .executeTakeFirst();
  return { totalBytes: row?.total_bytes ?? 0, leftOutBytes: row?.left_out_bytes ?? 0 };
}

/** Of one stored piece, what lies in the head and what lies in the tail. */
function cutToKept(part: LogPart, tailFrom: number): LogPart[] {
  const head = slice(part, 0, LOG_HEAD_BYTES);
  const tail = slice(part, tailFrom, Number.POSITIVE_INFINITY);
  return [head, tail].filter((piece) => piece.bytes.length > 0);
}

function slice(part: LogPart, from: number, to: number): LogPart {
  const begin = Math.max(0, from - part.offset);
  const end = Math.max(begin, Math.min(part.bytes.length, to - part.offset));
  return { offset: part.offset + begin, bytes: part.bytes.subarray(begin, end) };
}

function joined(parts: readonly LogPart[]): LogPart[] {
  const runs: LogPart[][] = [];
  for (const part of parts) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && last.offset + last.bytes.length === part.offset) run.push(part);
    else runs.push([part]);
  }
  return runs.map((run) => ({ offset: run[0]?.offset ?? 0, bytes: Buffer.concat(run.map((part) => part.bytes)) }));
}

/** Pieces stored at or after an offset, oldest first, for somebody who follows. */
export async function logPiecesFrom(
  db: Db,
  attemptId: string,
  stream: Stream,
  fromOffset: number,
  limit: number,
): Promise<LogPart[]> {
  const rows = await db
    .selectFrom('attempt_logs')
    .select(['byte_offset', 'bytes'])
    .where('attempt_id', '=', attemptId)
    .where('stream', '=', stream)
    .where(sql<boolean>`byte_offset + length(bytes) > ${fromOffset}`)
    .orderBy('byte_offset')
    .limit(limit)
    .execute();
  return rows.map((row) => slice({ offset: row.byte_offset, bytes: row.bytes }, fromOffset, Number.POSITIVE_INFINITY));
}

/** When a stored piece came, and which bytes it holds. */
export type LogArrival = { stream: Stream; offset: number; bytes: number };

/** The pieces of both streams in the order in which they came: what makes one text of the two. */
export async function logArrivals(db: Db, attemptId: string): Promise<LogArrival[]> {
  return db
    .selectFrom('attempt_logs')
    .select(['stream', 'byte_offset as offset', sql<number>`length(bytes)`.as('bytes')])
    .where('attempt_id', '=', attemptId)
    .orderBy('at')
    .orderBy('stream', 'desc')
    .orderBy('byte_offset')
    .execute();
}

/** Writes down, at the end of attempts, how much is stored of their streams and the hash of that. */
export async function sealLogs(trx: Trx, attemptIds: readonly string[]): Promise<void> {
  const { rows } = await sql<{ attempt_id: string; stream: Stream }>`
    select attempt_id, stream from attempt_streams
    where attempt_id = any(${attemptIds}::uuid[]) and total_bytes > 0`.execute(trx);
  for (const { attempt_id, stream } of rows) await sealStream(trx, attempt_id, stream);
}

async function sealStream(trx: Trx, attemptId: string, stream: Stream): Promise<void> {
  const { parts } = await keptLog(trx, attemptId, stream);
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part.bytes);
  const storedBytes = parts.reduce((sum, part) => sum + part.bytes.length, 0);
  await trx
    .updateTable('attempt_streams')
    .set({ stored_bytes: storedBytes, sha256: hash.digest('hex') })
    .where('attempt_id', '=', attemptId)
    .where('stream', '=', stream)
    .execute();
}

export type SealedStream = { totalBytes: number; sha256: string | null };

export async function sealedStream(db: Db, attemptId: string, stream: Stream): Promise<SealedStream> {
  const row = await db
    .selectFrom('attempt_streams')
    .select(['total_bytes', 'sha256'])
    .where('attempt_id', '=', attemptId)
    .where('stream', '=', stream)
    .executeTakeFirst();
  return { totalBytes: row?.total_bytes ?? 0, sha256: row?.sha256 ?? null };
}
