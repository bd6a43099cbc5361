import { afterAll, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/pool.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import { createDequeues } from '../../src/usecases/dequeue/dequeue.ts';
import { blindConnection } from '../support/blind.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';

const database = await createTestDatabase();
const deps = await createTestDeps(database);
afterAll(() => deps.stop());

const now = { maxTasks: 1, waitSeconds: 0 };

it('a claim answers a repeated request and others by what it read itself: nothing that fails after it loses a task', async () => {
  const { db, close } = openDatabase({ connectionString: blindConnection(database) });
  const desk = createDequeues({ ...deps, db });
  for (const id of ['repeats', 'new']) await addAgent(deps.db, id);
  const make = () => createTask(deps, alice, newTask());
  const first = await make();
  const repeated = { ...now, requestId: 'the same' };
  await desk.dequeue('repeats', repeated).answer;
  const second = await make();
  const answers = [desk.dequeue('repeats', repeated), desk.dequeue('new', { ...now, requestId: null })];
  const taken = await Promise.all(answers.map(({ answer }) => answer));
  expect(taken.map((one) => one.map(({ task }) => task.id))).toEqual([[first.id], [second.id]]);
  desk.stop();
  await close();
});
