import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** What reading and deleting the old need. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await lists(db);
  await pruning(db);
  await statistics(db);
}

/**
 * A task is written several times while it is worked on, and each time every index that has it is written too. So none
 * has it then: it stands in these while it waits and once it has ended, and what is being worked on is found by its lease.
 */
async function lists(db: Kysely<unknown>): Promise<void> {
  await sql`drop index tasks_newest`.execute(db);
  await sql`create index tasks_pending on tasks (created_at desc, id desc) where status = 'pending'`.execute(db);
  // By an expression, so that the planner can't take it for a claim, which goes by the lanes.
  await sql`create index tasks_in_queue on tasks ((rank + 0), id) where status = 'pending'`.execute(db);
  await sql`
    create index tasks_finished on tasks (status, created_at desc, id desc)
    where status in ('completed', 'failed', 'cancelled')`.execute(db);
  await sql`
    create index tasks_finished_by on tasks (assigned_agent_id, created_at desc, id desc)
    where status in ('completed', 'failed', 'cancelled')`.execute(db);
  // Only what has them pays for these.
  await sql`
    create index tasks_of_repository on tasks (split_part(repository, ':', 2), created_at desc, id desc)
    where repository is not null`.execute(db);
  await sql`
    create index tasks_of_template on tasks (template, created_at desc, id desc) where template is not null`.execute(
    db,
  );
}

async function pruning(db: Kysely<unknown>): Promise<void> {
  // What was written is deleted for its age; its sizes and hash are kept.
  await sql`alter table attempt_streams add log_pruned boolean not null default false`.execute(db);
  await sql`
    create index deliveries_duplicates on deliveries (duplicate_of) where duplicate_of is not null`.execute(db);
}

/** What has ended, counted by the hour, so that nobody reads all tasks to know how many there were. */
async function statistics(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table statistics (
      hour timestamptz not null,
      dimension text not null check (dimension in ('all', 'template', 'repository', 'agent')),
      key text not null,
      completed integer not null,
      failed integer not null,
      cancelled integer not null,
      cost_usd double precision not null,
      input_tokens double precision not null,
      output_tokens double precision not null,
      primary key (hour, dimension, key)
    )`.execute(db);
  await sql`
    create table statistics_times (
      hour timestamptz not null,
      measure text not null check (measure in ('wait', 'duration')),
      -- of how long it took: each class is two per cent longer than the one before
      class integer not null,
      tasks integer not null,
      primary key (hour, measure, class)
    )`.execute(db);
  await sql`create table event_counts (type text primary key, events bigint not null)`.execute(db);
  await sql`
    create table statistics_position (
      only_row boolean primary key default true check (only_row),
      -- the event up to which everything is counted
      sequence bigint not null
    )`.execute(db);
  await sql`insert into statistics_position (sequence) values (0)`.execute(db);
}
