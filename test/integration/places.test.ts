import { sql } from 'kysely';
import { expect, it, onTestFinished } from 'vitest';
import { lockAgents } from '../../src/store/claims.ts';
import { countFromHere, takenPlaces } from '../../src/store/places.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import { claimForAgents } from '../../src/usecases/dequeue/claim-for-agents.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { addAgent, alice, newTask, succeeded } from '../support/tasks.ts';

it('places are counted right from wherever they are counted', async () => {
  const database = await createTestDatabase();
  const deps = await createTestDeps(database);
  for (const id of ['a', 'b']) await addAgent(deps.db, id, { capacity: 3 });
  const take = async (agentId: string) => {
    await createTask(deps, alice, newTask());
    const [claimed] = await claimForAgents(deps, [{ agentId, maxTasks: 1, requestId: null }]);
    return claimed?.taken[0]?.attempt.id ?? null;
  };
  const complete = (agentId: string, attemptId: string | null) =>
    completeAttempt(deps, { kind: 'agent', agentId, attemptId: null }, attemptId ?? '', succeeded, { hash: 'h' });
  const countAnew = () =>
    deps.db.transaction().execute(async (trx) => {
      await lockAgents(trx, ['a', 'b']);
      await countFromHere(trx, ['a', 'b']);
      return Object.fromEntries((await takenPlaces(trx, ['a', 'b'])).taken);
    });
  const from = async () => {
    const rows = await deps.db.selectFrom('agents').select('counted_from').orderBy('id').execute();
    return rows.map((row) => row.counted_from);
  };

  expect(await countAnew()).toEqual({ a: 0, b: 0 });
  const [first, second] = [await take('a'), await take('a')];
  expect(await countAnew()).toEqual({ a: 2, b: 0 });
  const before = await from();
  await complete('a', first);
  await take('b');
  expect(await countAnew()).toEqual({ a: 1, b: 1 });
  const after = await from();
  expect(after[0]).toBeGreaterThan(before[0] ?? 0);
  expect(after[1]).toBeGreaterThan(before[1] ?? 0);
  await take('a');
  await take('a');
  expect(await take('a')).toBeNull();
  expect(await countAnew()).toEqual({ a: 3, b: 1 });
  expect((await from())[0]).toBe(after[0]); // it has the same one still
  await complete('a', second);
  expect(await countAnew()).toEqual({ a: 2, b: 1 });
  await deps.stop();
});

it('a role that may use the sequence, and not read it, can say from where they are counted', async () => {
  const { db } = await createTestDatabase();
  const trx = await db.startTransaction().execute();
  onTestFinished(() => void trx.rollback().execute());
  await sql`create role only_uses`.execute(trx);
  await sql`grant usage on schema public to only_uses`.execute(trx);
  await sql`grant select, insert, update, delete on all tables in schema public to only_uses`.execute(trx);
  await sql`grant usage on all sequences in schema public to only_uses`.execute(trx);
  await addAgent(trx, 'a', { capacity: 3 });
  await sql`set local role only_uses`.execute(trx);
  await countFromHere(trx, ['a']);
  expect((await takenPlaces(trx, ['a'])).taken).toEqual(new Map([['a', 0]]));
});
