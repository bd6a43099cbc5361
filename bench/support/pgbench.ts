import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench } from './bench.ts';

const exec = promisify(execFile);
const CLIENTS = 2;
export const PER_STATEMENT = 100;

/**
 * The least that taking and ending tasks costs on the tables that Taskejo has: their indexes, constraints and trigger,
 * two statements and two commits for a hundred rows, and no attempts, events, tokens or answers.
 */
const SCRIPT = `with taken as (
  update tasks t set status = 'assigned', execution_mode = 'http_pull', assigned_agent_id = :agent, assigned_at = now(),
    attempt_id = gen_random_uuid(), attempts = attempts + 1, ready = false,
    lease_expires_at = now() + interval '30 seconds', updated_at = now()
  from unnest(array(
    select id from tasks
    where lane = :lane and status = 'pending' and ready and execution_mode <> 'ssh_cli'
    order by rank, id limit ${PER_STATEMENT} for update skip locked)) c(id)
  where t.id = c.id returning t.id)
select coalesce(array_agg(id), '{}')::text as ids from taken \\gset
update tasks set status = 'completed', finished_at = now(), lease_expires_at = null, updated_at = now()
where id = any(:ids::uuid[]) and status = 'assigned';
`;

/** Tasks a second that pgbench takes and completes on a database with at least so many pending. */
export async function runPgbench(
  { postgres, folder, children }: Bench,
  database: string,
  total: number,
): Promise<number> {
  const file = join(folder, 'pgbench.sql');
  await writeFile(file, SCRIPT);
  const [{ lane, agent } = { lane: 0, agent: '' }] = await postgres.query<{ lane: number; agent: string }>(
    database,
    "select t.lane, a.id as agent from tasks t, agents a where t.status = 'pending' limit 1",
  );
  const transactions = Math.floor(total / PER_STATEMENT / CLIENTS);
  const args = ['-n', '-M', 'prepared', '-c', `${CLIENTS}`, '-j', '1', '-t', `${transactions}`, '-f', file];
  const [program = '', ...rest] = [...children.pinning, postgres.pgbench ?? 'pgbench'];
  const defined = ['-D', `lane=${lane}`, '-D', `agent=${agent}`, '-h', postgres.socket, '-U', 'taskejo', database];
  const { stdout } = await exec(program, [...rest, ...args, ...defined]);
  const tps = Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1]);
  const [done] = await postgres.query<{ n: number }>(
    database,
    "select count(*)::int as n from tasks where status = 'completed'",
  );
  return (tps * (done?.n ?? 0)) / (transactions * CLIENTS);
}
