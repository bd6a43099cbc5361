import { type Kysely, sql, type Transaction, type Updateable } from 'kysely';
import type { Attempt, StreamSizes } from '../domain/attempt.ts';
import { LOG_HEAD_BYTES, LOG_TAIL_BYTES } from '../domain/attempt.ts';
import type { LeftProcess, Stream } from '../domain/machine.ts';
import type { AttemptRow, Database, TaskRow } from './schema.ts';

type Db = Kysely<Database>;
type Trx = Transaction<Database>;

export async function findAttemptRow(db: Db, id: string): Promise<AttemptRow | null> {
  return (await db.selectFrom('attempts').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Whose an attempt is; never changes. */
export type AttemptOwner = Pick<AttemptRow, 'id' | 'task_id' | 'agent_id' | 'execution_mode'>;

export async function ownersOfAttempts(db: Db, ids: readonly string[]): Promise<Map<string, AttemptOwner>> {
  const { rows } = await sql<AttemptOwner>`
    select id, task_id, agent_id, execution_mode from attempts where id = any(${ids}::uuid[])`.execute(db);
  return new Map(rows.map((row) => [row.id, row]));
}

/** What the results of these attempts must keep to; never changes. */
export type ResultTerms = Pick<TaskRow, 'environment' | 'output_schema'>;

export async function resultTermsOf(db: Db, ids: readonly string[]): Promise<Map<string, ResultTerms>> {
  if (ids.length === 0) return new Map();
  const { rows } = await sql<ResultTerms & { id: string }>`
    select a.id, t.environment, t.output_schema from attempts a join tasks t on t.id = a.task_id
    where a.id = any(${ids}::uuid[])`.execute(db);
  return new Map(rows.map((row) => [row.id, row]));
}

export async function findAttemptRows(db: Db, ids: readonly string[]): Promise<Map<string, AttemptRow>> {
  const { rows } = await sql<AttemptRow>`select * from attempts where id = any(${ids}::uuid[])`.execute(db);
  return new Map(rows.map((row) => [row.id, row]));
}

type StreamRow = { total_bytes: number; left_out_bytes: number; stored_bytes: number | null; sha256: string | null };
type Row = AttemptRow & { stdout: StreamRow | null; stderr: StreamRow | null };

const withStreams = (db: Db) =>
  db
    .selectFrom('attempts as a')
    .selectAll('a')
    .select([streamOf('stdout'), streamOf('stderr')]);

const streamOf = (stream: Stream) =>
  sql<StreamRow | null>`(
    select to_jsonb(s) - 'attempt_id' - 'stream' from attempt_streams s
    where s.attempt_id = a.id and s.stream = ${stream})`.as(stream);

export async function findAttempt(db: Db, id: string): Promise<Attempt | null> {
  const row = await withStreams(db).where('a.id', '=', id).executeTakeFirst();
  return row === undefined ? null : toAttempt(row as Row);
}

/** Attempts of a task in the order of their numbers, after the one of number `after`. */
export async function listAttempts(db: Db, taskId: string, limit: number, after: number): Promise<Attempt[]> {
  const rows = await withStreams(db)
    .where('a.task_id', '=', taskId)
    .where('a.number', '>', after)
    .orderBy('a.number')
    .limit(limit)
    .execute();
  return rows.map((row) => toAttempt(row as Row));
}

/** Changes an attempt that is still open; answers whether it was. */
export async function changeOpenAttempt(
  trx: Trx,
  id: string,
  patch: Omit<Updateable<Database['attempts']>, 'id'>,
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('attempts')
    .set(patch)
    .where('id', '=', id)
    .where('finished_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** What dequeues under these ids took for these agents, be it open or over. */
export async function attemptsOfRequests(
  trx: Trx,
  requests: readonly { agentId: string; requestId: string }[],
): Promise<(Pick<AttemptRow, 'id' | 'agent_id' | 'request_id'> & { open: boolean })[]> {
  const { rows } = await sql<Pick<AttemptRow, 'id' | 'agent_id' | 'request_id'> & { open: boolean }>`
    select a.id, a.agent_id, a.request_id, a.finished_at is null as open
    from unnest(${requests.map((one) => one.agentId)}::text[], ${requests.map((one) => one.requestId)}::text[])
      r(agent_id, request_id)
    join attempts a on a.agent_id = r.agent_id and a.request_id = r.request_id and a.request_id is not null
    order by a.id`.execute(trx);
  return rows;
}

export async function setAttemptToken(trx: Trx, id: string, tokenHash: Buffer): Promise<void> {
  await trx.updateTable('attempts').set({ token_hash: tokenHash }).where('id', '=', id).execute();
}

/** Ids of an agent's open attempts. */
export async function openAttemptsOfAgent(db: Db, agentId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('attempts')
    .select('id')
    .where('agent_id', '=', agentId)
    .where('settled', '=', false)
    .where('finished_at', 'is', null)
    .execute();
  return rows.map((row) => row.id);
}

/** The machine was asked: what is left there could not be killed, or isn't known (null). The place is free. */
export async function settleAttempt(db: Db, id: string, left: readonly LeftProcess[] | null): Promise<void> {
  await db
    .updateTable('attempts')
    .set({
      settled: true,
      proof: left === null ? 'unknown' : left.length === 0 ? 'empty' : 'left',
      left_processes: left === null || left.length === 0 ? null : JSON.stringify(left),
    })
    .where('id', '=', id)
    .where('finished_at', 'is not', null)
    .execute();
}

/** Attempts on a host that ended without its word: to be asked about before anything starts there. */
export async function unsettledAttempts(db: Db, agentId: string): Promise<AttemptRow[]> {
  return db
    .selectFrom('attempts')
    .selectAll()
    .where('agent_id', '=', agentId)
    .where('settled', '=', false)
    .where('finished_at', 'is not', null)
    .orderBy('id')
    .execute();
}

/** Keeps this task from this agent for a while, twice as long each time. */
export async function avoidAgent(trx: Trx, taskId: string, agentId: string, seconds: number): Promise<void> {
  await sql`
    insert into avoidances (task_id, agent_id, times, until)
    values (${taskId}, ${agentId}, 1, now() + make_interval(secs => ${seconds}))
    on conflict (task_id, agent_id) do update set
      times = avoidances.times + 1,
      until = now() + make_interval(secs => ${seconds} * 2 ^ least(avoidances.times, 16))`.execute(trx);
}

function toAttempt(row: Row): Attempt {
  return {
    id: row.id,
    taskId: row.task_id,
    number: row.number,
    executionMode: row.execution_mode,
    agentId: row.agent_id,
    outcome: row.outcome,
    failureClass: row.failure_class,
    exitCode: row.exit_code,
    signal: row.signal,
    error: row.error,
    proof: row.proof,
    leftProcesses: row.left_processes,
    summary: row.summary,
    output: row.output as Attempt['output'],
    usage: row.usage,
    process: row.process,
    leasedAt: row.leased_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    streams: { stdout: toSizes(row.stdout), stderr: toSizes(row.stderr) },
  };
}

function toSizes(row: StreamRow | null): StreamSizes {
  if (row === null) return { bytes: 0, storedBytes: 0, sha256: null, truncated: false };
  const kept = LOG_HEAD_BYTES + LOG_TAIL_BYTES;
  return {
    bytes: row.total_bytes,
    storedBytes: row.stored_bytes ?? Math.min(row.total_bytes - row.left_out_bytes, kept),
    sha256: row.sha256,
    truncated: row.left_out_bytes > 0 || row.total_bytes > kept,
  };
}
