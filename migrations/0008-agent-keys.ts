import { type Kysely, sql } from 'kysely';

/** Number of the oldest program that may still run on a database with this migration. */
export const oldestProgram = 2;

/** By what an agent proves who it is, and which of its processes is at work. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table agents
      -- Ed25519, base64url of its 32 bytes
      add column public_key text,
      -- the process that was let in last: its store, the how-manieth start on it, and what no other process has
      add column instance_store text,
      add column instance_start bigint,
      add column instance_nonce text,
      add column instance_seen_at timestamptz,
      add check (num_nulls(instance_store, instance_start, instance_nonce, instance_seen_at) in (0, 4))`.execute(db);
  // an agent's tokens end together
  await sql`create index tokens_of_agent on tokens (agent_id) where agent_id is not null`.execute(db);
}
