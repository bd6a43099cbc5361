import { createHash } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import { LOG_HEAD_BYTES, LOG_TAIL_BYTES } from '../../domain/attempt.ts';
import type { ExaminedLog } from '../../domain/doctor/facts.ts';
import type { Stream } from '../../domain/machine.ts';
import { keptLog } from '../logs.ts';
import type { Database } from '../schema.ts';

type Trx = Transaction<Database>;
type Log = Omit<ExaminedLog, 'actual'> & { taskId: string };

/** So many bytes are hashed by one statement. */
const HASHED_AT_ONCE = 32 * 1024 * 1024;

/** The logs of these tasks' attempts, without what is stored in them. Pieces are joined where they meet. */
export async function logsOf(trx: Trx, taskIds: readonly string[]): Promise<Log[]> {
  const { rows } = await sql<Log>`
    select a.task_id as "taskId", s.attempt_id as "attemptId", s.stream, a.finished_at is not null as "attemptFinished",
      s.total_bytes as "totalBytes", s.left_out_bytes as "leftOutBytes", s.stored_bytes as "storedBytes", s.sha256,
      coalesce((
        select jsonb_agg(jsonb_build_object('from', r."from", 'to', r."to") order by r."from")
        from (
          select min(p.byte_offset) as "from", max(p."end") as "to"
          from (
            select m.*, count(*) filter (where m.meets is not true) over (order by m.byte_offset) as run
            from (
              select g.byte_offset, g.byte_offset + length(g.bytes) as "end",
                g.byte_offset = lag(g.byte_offset + length(g.bytes)) over (order by g.byte_offset) as meets
              from attempt_logs g where g.attempt_id = s.attempt_id and g.stream = s.stream) m) p
          group by p.run) r), '[]') as runs
    from attempts a join attempt_streams s on s.attempt_id = a.id
    where a.task_id = any(${taskIds}::uuid[]) and not s.log_pruned
    order by a.task_id, s.attempt_id, s.stream`.execute(trx);
  return rows;
}

type Named = { attemptId: string; stream: Stream };
type Actual = NonNullable<ExaminedLog['actual']>;
const nameOf = ({ attemptId, stream }: Named) => `${attemptId} ${stream}`;

/** What is stored of sealed logs now, answered one by one: their bytes are never all here at once. */
export async function* actualLogs(trx: Trx, logs: readonly Log[]): AsyncGenerator<{ log: Log; actual: Actual | null }> {
  for (const part of partsOf(logs)) {
    const hashed = await hashWhole(trx, part.filter(isWhole));
    for (const log of part) {
      if (log.sha256 === null) yield { log, actual: null };
      else if (isWhole(log)) yield { log, actual: hashed.get(nameOf(log)) ?? NOTHING };
      else yield { log, actual: await hashKept(trx, log) };
    }
  }
}

const NOTHING: Actual = { bytes: 0, sha256: createHash('sha256').digest('hex') };

/** Everything that came is kept: only the middle of a longer one is dropped. */
const isWhole = ({ sha256, totalBytes }: Log): boolean =>
  sha256 !== null && totalBytes <= LOG_HEAD_BYTES + LOG_TAIL_BYTES;

function partsOf(logs: readonly Log[]): Log[][] {
  const parts: Log[][] = [];
  let bytes = HASHED_AT_ONCE;
  for (const log of logs) {
    if (bytes + log.totalBytes > HASHED_AT_ONCE) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(log);
    bytes += log.totalBytes;
  }
  return parts;
}

async function hashWhole(trx: Trx, logs: readonly Named[]): Promise<Map<string, Actual>> {
  if (logs.length === 0) return new Map();
  const { rows } = await sql<Named & Actual>`
    select attempt_id as "attemptId", stream, sum(length(bytes))::int as bytes,
      encode(sha256(string_agg(bytes, ''::bytea order by byte_offset)), 'hex') as sha256
    from attempt_logs
    where (attempt_id, stream) in (
      select * from unnest(${logs.map(({ attemptId }) => attemptId)}::uuid[], ${logs.map(({ stream }) => stream)}::text[]))
    group by attempt_id, stream`.execute(trx);
  return new Map(rows.map((row) => [nameOf(row), { bytes: row.bytes, sha256: row.sha256 }]));
}

async function hashKept(trx: Trx, { attemptId, stream }: Named): Promise<Actual> {
  const { parts } = await keptLog(trx, attemptId, stream);
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part.bytes);
  return { bytes: parts.reduce((sum, part) => sum + part.bytes.length, 0), sha256: hash.digest('hex') };
}
