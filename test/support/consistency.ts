import { type Kysely, sql } from 'kysely';
import { expect } from 'vitest';
import { eventHash } from '../../src/domain/event.ts';
import type { Database } from '../../src/store/schema.ts';

/**
 * What must hold of all rows whenever nobody is writing: unbroken chains that end in the tasks' heads, `ready` as the
 * gates say, counters as the rows that they count, keys with those that are ready or at work, statuses as told.
 */
export async function expectConsistent(db: Kysely<Database>): Promise<void> {
  expect(await brokenChains(db)).toEqual([]);
  expect(await wrongTasks(db)).toEqual([]);
  expect(await wrongKeys(db)).toEqual([]);
  expect(await wrongAttempts(db)).toEqual([]);
}

async function brokenChains(db: Kysely<Database>): Promise<string[]> {
  const tasks = await db.selectFrom('tasks').select(['id', 'event_n', 'event_hash', 'status']).execute();
  const events = await db.selectFrom('events').selectAll().orderBy('n').execute();
  const byTask = Map.groupBy(events, (event) => event.task_id);
  return tasks.flatMap((task) => {
    const chain = byTask.get(task.id) ?? [];
    let hash: string | null = null;
    let status: string | null = null;
    for (const [at, event] of chain.entries()) {
      const told = JSON.parse(event.text) as { n: number; from_status: string | null; to_status: string | null };
      if (event.n !== at + 1 || told.n !== event.n) return [`${task.id}: number ${event.n}`];
      if (event.hash !== eventHash(hash, event.text)) return [`${task.id}: hash ${event.n}`];
      if (told.to_status !== null && told.from_status !== status) return [`${task.id}: status before ${event.n}`];
      hash = event.hash;
      status = told.to_status ?? status;
    }
    const whole = task.event_n === chain.length && task.event_hash === hash && task.status === status;
    return whole ? [] : [`${task.id}: head`];
  });
}

async function wrongTasks(db: Kysely<Database>): Promise<unknown[]> {
  const { rows } = await sql`
    select t.id, t.status, t.ready, t.unmet_dependencies
    from tasks t left join lanes l on l.id = t.lane
    where t.unmet_dependencies <> (select count(*) from task_dependencies d where d.task_id = t.id and not d.met)
      or (t.status = 'pending' and t.ready <> (
        t.due_at is null and t.unmet_dependencies = 0 and (not t.requires_approval or t.approved_at is not null)
        and (t.concurrency_key is null or exists (
          select from concurrency c where c.key = t.concurrency_key and c.task_id = t.id))))
      or (t.status = 'pending' and l.agent_id is distinct from t.named_agent_id)
      or (t.status = 'pending' and l.agent_id is null and l.requires <> t.requires)
      or (t.status = 'pending' and t.assigned_at is distinct from t.named_at)
      or (t.status = 'pending' and t.named_agent_id is not null and exists (
        select from agents a where a.id = t.named_agent_id and a.deleted_at is not null))`.execute(db);
  return rows;
}

/** A key is with a task that is ready or at work; one that everybody has let go is with nobody. */
async function wrongKeys(db: Kysely<Database>): Promise<unknown[]> {
  const { rows } = await sql`
    select c.key, t.status from concurrency c left join tasks t on t.id = c.task_id
    where t.id is null or t.concurrency_key <> c.key
      or not (t.status in ('assigned', 'running') or (t.status = 'pending' and t.ready))
    union all
    select t.concurrency_key, t.status from tasks t
    where t.concurrency_key is not null and t.status in ('assigned', 'running')
      and not exists (select from concurrency c where c.key = t.concurrency_key and c.task_id = t.id)`.execute(db);
  return rows;
}

/** Numbers 1..n, and at most the last one open, which is the task's. */
async function wrongAttempts(db: Kysely<Database>): Promise<unknown[]> {
  const { rows } = await sql`
    select t.id, t.status, t.attempts from tasks t
    where t.attempts <> (select count(*) from attempts a where a.task_id = t.id)
      or t.attempts <> (select coalesce(max(a.number), 0) from attempts a where a.task_id = t.id)
      or (t.status in ('assigned', 'running')) <> exists (
        select from attempts a where a.task_id = t.id and a.finished_at is null and a.id = t.attempt_id)`.execute(db);
  return rows;
}
