import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

it('a request repeated after all that it took has ended takes nothing more', async () => {
  const { token } = await app.agent('repeats');
  const dequeue = () => app.call('POST', '/api/v1/tasks/dequeue', { token, body: { request_id: 'the same' } });
  const make = () => app.call('POST', '/api/v1/tasks', { body: { title: 'any', command: ['true'] } });
  await make();
  const { attempt } = (await dequeue()).json.tasks[0];
  await app.call('POST', `/api/v1/attempts/${attempt.id}/complete`, { token, body: { outcome: 'completed' } });
  await make();
  expect((await dequeue()).status).toBe(204);
});
