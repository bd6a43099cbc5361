import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { allowedChanges } from '../../src/domain/moves.ts';
import { STATUSES, type Status } from '../../src/domain/task.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';

let deps: Deps & { stop(): Promise<void> };

beforeAll(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 2 }));
  await addAgent(deps.db, 'a1');
});
afterAll(() => deps.stop());

/** A shortest way from pending to a status by moves that are allowed. */
const WAYS: Record<Status, Status[]> = {
  pending: [],
  assigned: ['assigned'],
  running: ['assigned', 'running'],
  completed: ['assigned', 'completed'],
  failed: ['assigned', 'failed'],
  cancelled: ['cancelled'],
};

/** The columns that the other constraints ask for in each status, so that only the move itself is judged. */
const go = (id: string, to: Status) => sql`
  update tasks set status = ${to}, ready = false, execution_mode = 'http_pull', attempt_id = gen_random_uuid(),
    assigned_agent_id = ${to === 'pending' ? null : 'a1'},
    lease_expires_at = case when ${to} in ('assigned', 'running') then now() end,
    finished_at = case when ${to} in ('completed', 'failed', 'cancelled') then now() end
  where id = ${id}`;

const pairs = STATUSES.flatMap((from) => STATUSES.filter((to) => to !== from).map((to) => ({ from, to })));

it.each(pairs)('the database agrees with the table of moves on $from to $to', async ({ from, to }) => {
  const { id } = await createTask(deps, alice, newTask());
  for (const step of WAYS[from]) await go(id, step).execute(deps.db);
  const allowed = allowedChanges().some((change) => change.from === from && change.to === to);
  const moving = go(id, to).execute(deps.db);
  if (allowed) await expect(moving).resolves.toMatchObject({ numAffectedRows: 1n });
  else await expect(moving).rejects.toThrow(`a task can't go from ${from} to ${to}`);
});

it('a task begins pending, or not at all', async () => {
  const { id } = await createTask(deps, alice, newTask());
  const copy = sql`
    insert into tasks select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), 'status', 'cancelled',
      'ready', false, 'finished_at', now()))).* from tasks t where id = ${id}`;
  await expect(copy.execute(deps.db)).rejects.toThrow();
});
