import { randomUUIDv7 } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { eventHash, eventText } from '../../src/domain/event.ts';
import type { OpenDatabase } from '../../src/store/pool.ts';
import type { Database } from '../../src/store/schema.ts';

/** Writes the first event of some task, straight into the table; answers its number. */
export async function writeEvent(db: Kysely<Database>, data: Record<string, string> = {}): Promise<number> {
  const taskId = randomUUIDv7();
  const text = eventText({
    taskId,
    n: 1,
    attemptId: null,
    at: '2026-01-01T00:00:00.000000Z',
    type: 'created',
    actor: { kind: 'server', id: 'test' },
    fromStatus: null,
    toStatus: 'pending',
    data,
  });
  const { rows } = await sql<{ sequence: number }>`
    insert into events (task_id, n, type, text, hash) values (${taskId}, 1, 'created', ${text}, ${eventHash(null, text)})
    returning sequence`.execute(db);
  return rows[0]?.sequence ?? 0;
}

export type OpenWriter = {
  write(): Promise<number>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
};

const writers = new Set<OpenWriter>();

/** Ends what a test has left open, so that its database can be closed. */
export const closeWriters = () => Promise.all([...writers].map((writer) => writer.rollback()));

/** A transaction that has written already and stays open until it is told to end. */
export async function openWriter({ db }: Pick<OpenDatabase, 'db'>): Promise<OpenWriter> {
  const trx = await db.startTransaction().execute();
  await sql`select pg_current_xact_id()`.execute(trx);
  const end = (how: () => Promise<void>) => () => {
    writers.delete(writer);
    return how();
  };
  const writer: OpenWriter = {
    write: () => writeEvent(trx),
    commit: end(() => trx.commit().execute()),
    rollback: end(() => trx.rollback().execute()),
  };
  writers.add(writer);
  return writer;
}
