import { type Kysely, sql } from 'kysely';
import type { Database } from '../../src/store/schema.ts';

/**
 * Fills the tables as years of work would, straight and without history: so many tasks that have ended, a few of them
 * badly, with their attempts, over 90 days; and so many that wait.
 */
export async function fillTasks(db: Kysely<Database>, finished: number, pending = 0): Promise<void> {
  await sql`insert into lanes (requires, repository) values ('{linux}', null) on conflict do nothing`.execute(db);
  await sql`alter table tasks disable trigger tasks_begin_pending`.execute(db);
  await sql`
    with t as (
      select n, gen_random_uuid() as id, gen_random_uuid() as attempt,
        case when n % 1000 = 0 then 'cancelled' when n % 100 = 0 then 'failed' else 'completed' end as status,
        now() - make_interval(secs => 7776000.0 * n / ${finished}) as made
      from generate_series(1, ${finished}::int) n),
    opened as (
      insert into attempts (id, task_id, number, execution_mode, agent_id, token_hash, leased_at, started_at, finished_at,
        settled, outcome)
      select attempt, id, 1, 'http_pull', 'agent-' || n % 50, '', made, made, made + interval '1 minute', true, status
      from t)
    insert into tasks (id, title, body, created_by, template, command, environment, requires, repository,
      timeout_seconds, priority, rank, lane, requested_mode, execution_mode, status, ready, ready_at, assigned_agent_id,
      assigned_at, attempt_id, attempts, repeatable, preemptible, max_retries, max_infra_retries, retry_delay_seconds,
      event_n, event_hash, created_at, updated_at, finished_at)
    select id, 'Task number ' || n, repeat('x', 200), '{"kind":"coordinator","id":"a","name":"a"}', 'template-' || n % 7,
      '{make}', '{}', '{linux}', 'main:alice/repository-' || n % 20, 300, 3, extract(epoch from made) * 1000000,
      (select min(id) from lanes), 'undecided', 'http_pull', status, false, made, 'agent-' || n % 50, made + interval '1 s',
      attempt, 1, true, true, 0, 3, 60, 1, '', made, made, made + interval '1 minute' from t`.execute(db);
  await sql`
    insert into tasks (id, title, created_by, command, environment, requires, timeout_seconds, priority, rank, lane,
      requested_mode, execution_mode, status, ready, ready_at, repeatable, preemptible, max_retries, max_infra_retries,
      retry_delay_seconds, event_n, event_hash, created_at, updated_at)
    select gen_random_uuid(), 'Waiting ' || n, '{"kind":"coordinator","id":"a","name":"a"}', '{make}', '{}', '{linux}', 300, 3,
      extract(epoch from now()) * 1000000 + n, (select min(id) from lanes), 'undecided', 'undecided', 'pending', true,
      now(), true, true, 0, 3, 60, 1, '', now() - make_interval(secs => n), now()
    from generate_series(1, ${pending}::int) n`.execute(db);
  await sql`alter table tasks enable trigger tasks_begin_pending`.execute(db);
  await sql`vacuum analyze tasks, attempts`.execute(db);
}
