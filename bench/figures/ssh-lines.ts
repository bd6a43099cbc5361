import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../support/bench.ts';
import { atMost, type FigureRows, quantile } from '../support/rows.ts';
import type { Server } from '../support/server.ts';

const TASKS = 20;
const LOOK_MS = 500;

/** Prints the time again and again, after the burst in which all of them are started. */
const script = (lines: number) =>
  `sleep 2; i=0; while [ $i -lt ${lines} ]; do date +%s.%N; sleep 0.2; i=$((i + 1)); done`;

/** Notes when a transaction that stored a piece of a log is about to be made durable. */
const NOTING = `
  create table bench_stored (attempt_id uuid, byte_offset bigint, at timestamptz);
  create function bench_note() returns trigger language plpgsql as $$ begin
    insert into bench_stored values (new.attempt_id, new.byte_offset, clock_timestamp()); return null; end $$;
  create constraint trigger bench_note after insert on attempt_logs deferrable initially deferred
    for each row execute function bench_note();`;

const LATENCIES = `
  select extract(epoch from s.at) - line::float8 as seconds
  from bench_stored s join attempt_logs l using (attempt_id, byte_offset),
    unnest(string_to_array(trim(trailing E'\\n' from convert_from(l.bytes, 'utf8')), E'\\n')) line
  where line ~ '^\\d+\\.\\d+$'`;

/** From a line's time, as its command printed it, to the transaction that stored it, while twenty tasks print. */
export async function lineRows({ postgres, sizes }: Bench, { api, database }: Server): Promise<FigureRows> {
  await postgres.query(database, NOTING);
  const command = ['sh', '-c', script(sizes.sshLines)];
  const ids: string[] = [];
  for (let n = 0; n < TASKS; n++) {
    const body = { title: `lines ${n}`, command, requires: ['bench-host'] };
    ids.push((await api<{ id: string }>('POST', '/api/v1/tasks', body)).id);
  }
  for (const id of ids) {
    while ((await api<{ status: string }>('GET', `/api/v1/tasks/${id}`)).status !== 'completed') await delay(LOOK_MS);
  }
  const rows = await postgres.query<{ seconds: number }>(database, LATENCIES);
  if (rows.length < TASKS * sizes.sshLines * 0.99) throw new Error(`only ${rows.length} lines were stored whole`);
  const took = rows.map(({ seconds }) => Number(seconds) * 1000);
  return [
    { title: `line printed → stored, ${TASKS} tasks, p50`, unit: 'ms', rounds: [quantile(took, 0.5)], goal: atMost(5) },
    {
      title: `line printed → stored, ${TASKS} tasks, p99`,
      unit: 'ms',
      rounds: [quantile(took, 0.99)],
      goal: atMost(100),
    },
  ];
}
