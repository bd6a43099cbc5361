import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

/** Three tasks that the agent takes and can't set up. */
async function stateAfter(name: string, said: { own_failure?: boolean }): Promise<string> {
  const { id, token } = await app.agent(name, [name]);
  for (let n = 0; n < 3; n += 1) {
    const body = { title: 'One', command: ['true'], requires: [name], max_infra_retries: 0 };
    await app.call('POST', '/api/v1/tasks', { body });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token, body: { wait_seconds: 5 } });
    const complete = { outcome: 'failed', failure_class: 'setup', error: 'the disk is full', ...said };
    await app.call('POST', `/api/v1/attempts/${json.tasks[0].attempt.id}/complete`, { token, body: complete });
  }
  return (await app.call('GET', `/api/v1/agents/${id}`)).json.state;
}

it('an agent that fails in setup is isolated if it says that the failure is its own, whatever the words of it', async () => {
  expect(await stateAfter('own', { own_failure: true })).toBe('cordoned');
  expect(await stateAfter('of-the-task', {})).toBe('online');
});
