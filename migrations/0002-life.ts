import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** Gates, dependencies, concurrency keys, preemption, idempotency, and history that is deleted only as whole tasks. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await dropHotForeignKeys(db);
  await tasks(db);
  await agents(db);
  await dropTokenIndex(db);
  await gates(db);
  await allowRetry(db);
  await requests(db);
  await keepHistory(db);
}

/**
 * Agents and lanes are never deleted, tasks and all that belongs to them only together: there is nothing that these
 * keys protect from, and each costs a look-up and a lock for every row that is written.
 */
async function dropHotForeignKeys(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table tasks
      drop constraint tasks_lane_fkey,
      drop constraint tasks_named_agent_id_fkey,
      drop constraint tasks_assigned_agent_id_fkey`.execute(db);
  await sql`
    alter table attempts drop constraint attempts_task_id_fkey, drop constraint attempts_agent_id_fkey`.execute(db);
  await sql`alter table attempt_streams drop constraint attempt_streams_attempt_id_fkey`.execute(db);
  await sql`alter table attempt_logs drop constraint attempt_logs_attempt_id_fkey`.execute(db);
  await sql`alter table events drop constraint events_task_id_fkey`.execute(db);
}

async function tasks(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table tasks
      -- what the command may use, and how apart from the machine it runs
      add limits jsonb,
      add sandbox text not null default 'none' check (sandbox in ('none', 'bubblewrap', 'container')),
      add output_schema jsonb,
      -- input that isn't text; then there is no other
      add input_bytes bytea,
      -- hash of the body that made it, where its caller chose the id
      add created_hash text,
      add depends_on uuid[] not null default '{}',
      add unmet_dependencies integer not null default 0 check (unmet_dependencies >= 0),
      add on_dependency_failure text not null default 'cancel' check (on_dependency_failure in ('cancel', 'wait', 'run')),
      -- somebody depends on it, who is to be told when it ends
      add has_dependants boolean not null default false,
      add requires_approval boolean not null default false,
      add approved_at timestamptz,
      add concurrency_key text,
      add preemptions integer not null default 0,
      -- the open attempt has printed something, which is to be sealed at its end
      add has_log boolean not null default false,
      -- the waiting task for which this one is asked to stop
      add stop_for uuid,
      -- when the agent was named: what assigned_at says again when the task is pending again
      add named_at timestamptz,
      add constraint ready_means_open_gates check
        (not ready or (unmet_dependencies = 0 and (not requires_approval or approved_at is not null))),
      add constraint one_input check (input is null or input_bytes is null),
      add constraint stops_for_a_task_if_preempted check (stop_for is null or stop_reason is not null)`.execute(db);
  // At most one open preemption for a waiting task.
  await sql`
    create unique index tasks_stopping_for on tasks (stop_for)
    where stop_for is not null and status in ('assigned', 'running')`.execute(db);
  await sql`
    create index tasks_waiting_for_key on tasks (concurrency_key, rank, id)
    where status = 'pending' and not ready and concurrency_key is not null
      and due_at is null and unmet_dependencies = 0 and (not requires_approval or approved_at is not null)`.execute(db);
  await sql`update tasks set named_at = assigned_at where named_agent_id is not null`.execute(db);
  await sql`
    alter table installation
      -- what ranks are computed with, by every replica; null: nobody has said yet
      add ageing_seconds_per_level double precision,
      -- while ranks are computed anew, the pending tasks up to this one have theirs; null: all have
      add reranked_up_to uuid`.execute(db);
  await sql`
    alter table attempts drop constraint attempts_proof_check,
      add constraint attempts_proof_check check (proof in ('empty', 'left', 'unknown'))`.execute(db);
}

/** A token of an attempt tells whose it is, and is compared with the one row that it names. */
async function dropTokenIndex(db: Kysely<unknown>): Promise<void> {
  await sql`drop index attempts_token`.execute(db);
}

async function agents(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table agents
      -- what a pull agent said of its machine; null: it said nothing
      add limits text[],
      add sandboxes text[],
      add policy jsonb,
      -- tasks that failed here one after the other for causes of the agent's own
      add own_failures uuid[] not null default '{}',
      add isolated_at timestamptz`.execute(db);
}

async function gates(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table task_dependencies (
      task_id uuid not null,
      depends_on uuid not null,
      met boolean not null default false,
      primary key (task_id, depends_on)
    )`.execute(db);
  await sql`create index task_dependencies_unmet on task_dependencies (depends_on, task_id) where not met`.execute(db);
  await sql`
    create table finished_dependencies (
      task_id uuid primary key,
      -- the dependants up to this one were told already
      told_up_to uuid
    )`.execute(db);
  await sql`
    create table concurrency (
      key text primary key,
      task_id uuid not null
    )`.execute(db);
}

/** A retry by a person is the only way out of a final status. */
async function allowRetry(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger tasks_moves on tasks`.execute(db);
  await sql`
    create trigger tasks_moves before update of status on tasks for each row
    when (old.status <> new.status and (old.status, new.status) not in (
      ('pending', 'assigned'), ('pending', 'cancelled'),
      ('assigned', 'running'), ('assigned', 'completed'), ('assigned', 'failed'),
      ('assigned', 'cancelled'), ('assigned', 'pending'),
      ('running', 'completed'), ('running', 'failed'), ('running', 'cancelled'), ('running', 'pending'),
      ('failed', 'pending'), ('cancelled', 'pending')))
    execute function refuse_move()`.execute(db);
}

async function requests(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table idempotency_keys (
      -- the token, or the agent, that the key belongs to
      principal text not null,
      key text not null,
      body_hash text not null,
      task_ids uuid[] not null,
      created_at timestamptz not null default now(),
      primary key (principal, key)
    )`.execute(db);
  await sql`create index idempotency_keys_oldest on idempotency_keys (created_at)`.execute(db);
}

/** Events are never changed, and deleted only with their whole task, of which the end of the chain is kept. */
async function keepHistory(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table pruned_tasks (
      task_id uuid primary key,
      events integer not null,
      last_hash text not null,
      pruned_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create function keep_history() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' and current_setting('taskejo.pruning', true) = 'on' then return null; end if;
      raise exception 'events are kept: % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
    end $$`.execute(db);
  await sql`
    create trigger events_are_kept before update or delete or truncate on events
    for each statement execute function keep_history()`.execute(db);
  await sql`
    create function prune_tasks(ids uuid[]) returns integer language plpgsql security definer
    set search_path from current as $$
    declare
      locked uuid[];
      pruned uuid[];
    begin
      select coalesce(array_agg(id), '{}') into locked from (
        select id from tasks
        where id = any(ids) and status in ('completed', 'failed', 'cancelled')
        order by id for update skip locked) t;
      -- Whoever begins to depend on a task shares its lock, so this is read after it was had.
      select coalesce(array_agg(finished.id), '{}') into pruned from unnest(locked) as finished(id)
        where not exists (select from attempts a where a.task_id = finished.id and not a.settled)
          and not exists (select from finished_dependencies f where f.task_id = finished.id)
          and not exists (select from task_dependencies d where d.depends_on = finished.id and not d.met);
      perform set_config('taskejo.pruning', 'on', true);
      -- An id that its caller chose may have been used again since.
      insert into pruned_tasks (task_id, events, last_hash)
        select id, event_n, event_hash from tasks where id = any(pruned)
        on conflict (task_id) do update
          set events = excluded.events, last_hash = excluded.last_hash, pruned_at = excluded.pruned_at;
      delete from attempt_logs where attempt_id in (select id from attempts where task_id = any(pruned));
      delete from attempt_streams where attempt_id in (select id from attempts where task_id = any(pruned));
      delete from attempts where task_id = any(pruned);
      delete from avoidances where task_id = any(pruned);
      delete from task_dependencies where task_id = any(pruned);
      delete from events where task_id = any(pruned);
      delete from tasks where id = any(pruned);
      perform set_config('taskejo.pruning', '', true);
      return cardinality(pruned);
    end $$`.execute(db);
}
