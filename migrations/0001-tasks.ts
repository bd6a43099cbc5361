import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 1;

/**
 * Tasks and all that their life needs. The lists of words and the allowed changes of status stand here as literals,
 * because a migration must not change once it ran; a test compares them with the domain's tables.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await installation(db);
  await agents(db);
  await tasks(db);
  await guardMoves(db);
  await attempts(db);
  await events(db);
  await deliveries(db);
}

async function installation(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table installation (
      only_row boolean primary key default true check (only_row),
      id uuid not null,
      generation integer not null default 1,
      -- what replicas must agree on, made once
      secret bytea not null,
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table beat (
      only_row boolean primary key default true check (only_row),
      at timestamptz not null,
      -- when the beat before this one was: leases that had lapsed by then may be ended
      previous_at timestamptz not null,
      -- when an outage of ours ended last: before that nobody could say how an attempt had ended
      up_since timestamptz not null
    )`.execute(db);
  await sql`insert into beat (at, previous_at, up_since) values ('epoch', 'epoch', 'epoch')`.execute(db);
  await sql`
    create table replicas (
      id uuid primary key,
      boot_id text not null,
      pid_namespace text not null,
      pid integer not null,
      process_started_at text not null,
      started_at timestamptz not null default now(),
      seen_at timestamptz not null default now()
    )`.execute(db);
}

async function agents(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table agents (
      id text primary key,
      name text not null,
      execution_mode text not null check (execution_mode in ('ssh_cli', 'http_pull')),
      labels text[] not null,
      capacity integer not null check (capacity between 1 and 1000),
      online boolean not null default false,
      state_reason jsonb,
      cordoned boolean not null default false,
      cordon_reason text,
      draining boolean not null default false,
      -- the agent itself takes nothing new: it was told to on its machine, or its store is full
      says_draining text check (says_draining in ('drain', 'store_full')),
      version text,
      metrics jsonb,
      last_seen_at timestamptz,
      created_at timestamptz not null default now(),
      -- kept for the history; its name is free again
      deleted_at timestamptz
    ) with (fillfactor = 70)`.execute(db);
  await sql`create unique index agents_name on agents (name) where deleted_at is null`.execute(db);
  await sql`
    create table tokens (
      id uuid primary key,
      name text not null,
      scope text not null check (scope in ('admin', 'coordinator', 'agent', 'viewer', 'register')),
      hash bytea not null unique,
      agent_id text references agents,
      expires_at timestamptz,
      last_used_at timestamptz,
      created_at timestamptz not null default now(),
      revoked_at timestamptz,
      check ((scope = 'agent') = (agent_id is not null))
    )`.execute(db);
  await sql`
    create table lanes (
      id integer generated always as identity primary key,
      requires text[] not null,
      repository text,
      -- a named task stands in the lane of its agent, whatever it requires
      agent_id text references agents,
      -- when a host that could serve this lane was last seen; what phase 2 counts from
      host_matched_at timestamptz,
      unique nulls not distinct (requires, repository, agent_id)
    )`.execute(db);
}

async function tasks(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table tasks (
      id uuid primary key,
      title text not null,
      body text,
      created_by jsonb not null,
      template text,
      command text[] not null check (cardinality(command) > 0),
      input text,
      environment jsonb not null,
      requires text[] not null,
      repository text,
      source jsonb,
      delivery_id uuid,
      timeout_seconds integer not null check (timeout_seconds between 1 and 604800),
      priority smallint not null check (priority between 0 and 10),
      rank bigint not null,
      lane integer not null references lanes,
      requested_mode text not null check (requested_mode in ('undecided', 'ssh_cli', 'http_pull')),
      execution_mode text not null check (execution_mode in ('undecided', 'ssh_cli', 'http_pull')),
      status text not null check (status in ('pending', 'assigned', 'running', 'completed', 'failed', 'cancelled')),
      ready boolean not null,
      ready_at timestamptz,
      -- not ready before this moment: the caller's wish, or the delay before a retry
      due_at timestamptz,
      run_after timestamptz,
      named_agent_id text references agents,
      assigned_agent_id text references agents,
      assigned_at timestamptz,
      -- the current attempt while one is open, else the last
      attempt_id uuid,
      attempts integer not null default 0,
      lease_expires_at timestamptz,
      -- over SSH: the replica that drives the attempt
      holder uuid,
      progress jsonb,
      stop_reason text check (stop_reason in ('cancel', 'timeout', 'preempted')),
      stop_detail text,
      stop_asked_at timestamptz,
      repeatable boolean not null,
      preemptible boolean not null,
      max_retries integer not null check (max_retries between 0 and 100),
      retries integer not null default 0,
      max_infra_retries integer not null check (max_infra_retries between 0 and 100),
      infra_retries integer not null default 0,
      retry_delay_seconds integer not null check (retry_delay_seconds between 0 and 86400),
      version integer not null default 1,
      event_n integer not null,
      event_hash text not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      finished_at timestamptz,
      constraint undecided_is_never_taken check
        (execution_mode <> 'undecided' or status in ('pending', 'cancelled')),
      constraint taken_has_attempt_and_agent check
        (status not in ('assigned', 'running') or (attempt_id is not null and assigned_agent_id is not null)),
      constraint only_taken_is_leased check
        (lease_expires_at is null or status in ('assigned', 'running')),
      constraint pull_is_leased check
        (execution_mode <> 'http_pull' or status not in ('assigned', 'running') or lease_expires_at is not null),
      constraint pull_has_no_holder check (holder is null or execution_mode = 'ssh_cli'),
      constraint pending_names_what_is_assigned check
        (status <> 'pending' or assigned_agent_id is not distinct from named_agent_id),
      constraint only_pending_is_ready check (not ready or (status = 'pending' and ready_at is not null)),
      constraint only_taken_is_asked_to_stop check
        (stop_reason is null or status in ('assigned', 'running', 'cancelled', 'completed', 'failed')),
      constraint final_is_finished check
        ((status in ('completed', 'failed', 'cancelled')) = (finished_at is not null))
    ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
            autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000)`.execute(db);
  // One index for each way in, so that neither steps over tasks that only the other may take.
  await sql`
    create index tasks_for_agents on tasks (lane, rank, id)
    where status = 'pending' and ready and execution_mode <> 'ssh_cli'`.execute(db);
  await sql`
    create index tasks_for_hosts on tasks (lane, rank, id)
    where status = 'pending' and ready and execution_mode <> 'http_pull'`.execute(db);
  // What phase 2 left to agents, to be found again when a host with the labels is there.
  await sql`
    create index tasks_left_to_agents on tasks (lane, rank)
    where status = 'pending' and execution_mode = 'http_pull' and requested_mode = 'undecided'`.execute(db);
  await sql`create index tasks_leased on tasks (lease_expires_at) where lease_expires_at is not null`.execute(db);
  await sql`create index tasks_due on tasks (due_at) where status = 'pending' and not ready`.execute(db);
  await sql`create index tasks_named on tasks (named_agent_id) where status = 'pending' and named_agent_id is not null`.execute(
    db,
  );
  await sql`create index tasks_open_over_ssh on tasks (assigned_agent_id)
    where execution_mode = 'ssh_cli' and status in ('assigned', 'running')`.execute(db);
  await sql`create index tasks_newest on tasks (created_at desc, id desc)`.execute(db);
}

/** The table of moves, kept by the database too: checked without calling the function unless it is broken. */
async function guardMoves(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function refuse_move() returns trigger language plpgsql as $$
    begin
      raise exception 'a task can''t go from % to %', old.status, new.status
        using errcode = 'check_violation', constraint = 'tasks_moves';
    end $$`.execute(db);
  await sql`
    create trigger tasks_moves before update of status on tasks for each row
    when (old.status <> new.status and (old.status, new.status) not in (
      ('pending', 'assigned'), ('pending', 'cancelled'),
      ('assigned', 'running'), ('assigned', 'completed'), ('assigned', 'failed'),
      ('assigned', 'cancelled'), ('assigned', 'pending'),
      ('running', 'completed'), ('running', 'failed'), ('running', 'cancelled'), ('running', 'pending')))
    execute function refuse_move()`.execute(db);
  await sql`
    create trigger tasks_begin_pending before insert on tasks for each row
    when (new.status <> 'pending') execute function refuse_move()`.execute(db);
}

async function attempts(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table attempts (
      id uuid primary key,
      task_id uuid not null references tasks on delete cascade,
      number integer not null check (number > 0),
      execution_mode text not null check (execution_mode in ('ssh_cli', 'http_pull')),
      agent_id text not null references agents,
      -- a dequeue that is repeated under the same id is answered with the same attempts
      request_id text,
      token_hash bytea not null,
      leased_at timestamptz not null,
      started_at timestamptz,
      finished_at timestamptz,
      -- false: the machine may still run it, so it counts in the agent's places
      settled boolean not null default false,
      process jsonb,
      -- over SSH: the memory of the host that the attempt was started in
      host_store jsonb,
      -- over SSH: the host's own watchdog has ended it by then
      dead_by timestamptz,
      contact jsonb,
      outcome text check (outcome in ('completed', 'failed', 'cancelled', 'released', 'lost', 'preempted')),
      failure_class text check (failure_class in
        ('exit', 'signal', 'timeout', 'memory', 'setup', 'infrastructure', 'policy', 'output')),
      exit_code integer,
      signal text,
      error text,
      summary text,
      output jsonb,
      usage jsonb,
      proof text check (proof in ('empty', 'left')),
      left_processes jsonb,
      -- hash of the body that ended it, by its holder: the same again gets the same answer
      said_hash text,
      late_results jsonb not null default '[]',
      unique (task_id, number),
      constraint open_has_no_outcome check ((outcome is null) = (finished_at is null)),
      constraint open_is_unsettled check (finished_at is not null or not settled),
      constraint class_only_of_failed check (failure_class is null or outcome = 'failed'),
      constraint completed_is_zero check (outcome <> 'completed' or coalesce(exit_code, 0) = 0)
    )`.execute(db);
  // At most one open attempt of a task: the constraint that decides every race to take it.
  await sql`create unique index attempts_open on attempts (task_id) where finished_at is null`.execute(db);
  await sql`create index attempts_unsettled on attempts (agent_id) where not settled`.execute(db);
  // Who calls with the token of an attempt is found by its hash alone.
  await sql`create index attempts_token on attempts using hash (token_hash)`.execute(db);
  await sql`
    create table attempt_streams (
      attempt_id uuid not null references attempts on delete cascade,
      stream text not null check (stream in ('stdout', 'stderr')),
      -- bytes that the command has written as far as we know; the next offset expected
      total_bytes bigint not null default 0,
      left_out_bytes bigint not null default 0,
      stored_bytes bigint,
      sha256 text,
      primary key (attempt_id, stream)
    )`.execute(db);
  await sql`
    create table attempt_logs (
      attempt_id uuid not null references attempts on delete cascade,
      stream text not null check (stream in ('stdout', 'stderr')),
      byte_offset bigint not null,
      at timestamptz not null default clock_timestamp(),
      bytes bytea not null,
      primary key (attempt_id, stream, byte_offset)
    )`.execute(db);
  await sql`
    create table avoidances (
      task_id uuid not null references tasks on delete cascade,
      agent_id text not null references agents,
      times integer not null,
      until timestamptz not null,
      primary key (task_id, agent_id)
    )`.execute(db);
}

async function events(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table events (
      sequence bigint generated always as identity primary key,
      task_id uuid not null references tasks,
      n integer not null,
      attempt_id uuid,
      type text not null check (type in ('created', 'changed', 'mode_decided', 'agent_named', 'agent_unnamed',
        'approved', 'assigned', 'started', 'reattached', 'cancel_requested', 'lease_lost', 'preempted', 'released',
        'retried', 'authorized', 'pull_request_opened', 'late_result', 'dependency_met', 'dependency_failed',
        'completed', 'failed', 'cancelled')),
      -- the canonical JSON that was hashed: what, when, by whom, from and to which status
      text text not null,
      hash text not null,
      xact xid8 not null default pg_current_xact_id(),
      unique (task_id, n)
    ) with (autovacuum_vacuum_insert_threshold = 50000)`.execute(db);
}

async function deliveries(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table deliveries (
      id uuid primary key,
      forge text not null,
      forge_uuid text,
      event_type text not null,
      action text,
      repository text,
      sender text,
      received_at timestamptz not null default now(),
      headers jsonb not null,
      body bytea not null,
      body_hash bytea not null,
      decision text not null check (decision in ('task_created', 'merged', 'command', 'ignored')),
      reason text not null,
      rules jsonb not null,
      facts jsonb not null,
      task_ids uuid[] not null,
      duplicate_of uuid references deliveries
    )`.execute(db);
  // Two webhooks or a replay send the same bytes: the first row decides, the others are merged into it.
  await sql`create unique index deliveries_first on deliveries (forge, body_hash) where duplicate_of is null`.execute(
    db,
  );
  await sql`create index deliveries_newest on deliveries (received_at desc, id desc)`.execute(db);
  await sql`
    create table effects (
      forge text not null,
      kind text not null,
      object text not null,
      template text not null,
      task_id uuid not null,
      primary key (forge, kind, object, template)
    )`.execute(db);
  await sql`
    create table issue_state (
      forge text not null,
      repository_id bigint not null,
      issue integer not null,
      labels text[] not null,
      -- how often each label has become present; makes each time an effect of its own
      episodes jsonb not null,
      observed_at timestamptz not null,
      -- what was last compared may be older than the truth: to be read again from the forge
      uncertain boolean not null default false,
      primary key (forge, repository_id, issue)
    )`.execute(db);
}
