import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** Who may ask from where and for what, and acts that belong to no task. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // {repositories, labels}: what tasks its holder may touch; null: all
  await sql`alter table tokens add column restriction jsonb`.execute(db);
  await sql`
    alter table agents
      add column restriction jsonb,
      -- its calls, and those of its commands, must come from one of these; none: from anywhere
      add column allowed_networks text[] not null default '{}'`.execute(db);
  await sql`
    create table audit (
      -- in UTC; each day is a chain of its own
      day date not null,
      n integer not null check (n > 0),
      -- what is hashed, and all that there is of the act
      text text not null,
      hash text not null,
      primary key (day, n)
    )`.execute(db);
  await sql`
    create trigger audit_is_kept before update or delete or truncate on audit
    for each statement execute function keep_history()`.execute(db);
  await sql`
    create function prune_audit(days double precision) returns integer language plpgsql security definer
    set search_path from current as $$
    declare
      pruned integer;
    begin
      perform set_config('taskejo.pruning', 'on', true);
      delete from audit where day = (
        select min(day) from audit
        where day < (now() at time zone 'utc' - make_interval(secs => greatest(days, 1) * 86400.0))::date);
      get diagnostics pruned = row_count;
      perform set_config('taskejo.pruning', '', true);
      return pruned;
    end $$`.execute(db);
}
