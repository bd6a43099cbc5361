import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Secret } from '../../src/domain/secrets.ts';
import { ADMIN_TOKEN, startTestApp, type TestApp } from '../support/app.ts';

const VALUE = 'open-sesame-4711';
const secrets = new Map<string, Secret>([
  ['KEY', { value: VALUE, templates: ['ask'], repositories: null }],
  ['OURS', { value: 'of-alice-alone', templates: ['ask', 'deploy'], repositories: ['main:alice/*'] }],
]);

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    secrets,
    templates: [
      { name: 'ask', command: ['ask'], environment: { LANG: 'C', API_KEY: { secret: 'KEY' } }, requires: ['ask'] },
      { name: 'deploy', command: ['deploy'], environment: { DEPLOY_KEY: { secret: 'OURS' } }, requires: ['deploy'] },
    ],
  });
});
afterAll(() => app.stop());

const create = (body: object) => app.call('POST', '/api/v1/tasks', { body: { title: 'Ask', ...body } });

/** The secret as it was made, its value under any name in any table. */
async function everythingStored(): Promise<string> {
  const tables = await app.database.db.introspection.getTables();
  const rows = await Promise.all(
    tables.map(({ name }) =>
      app.database.db
        .selectFrom(name as 'tasks')
        .selectAll()
        .execute(),
    ),
  );
  return JSON.stringify(rows);
}

async function taken(name: string, body: object) {
  const agent = await app.agent(name);
  const made = await create({ template: 'ask', agent_id: agent.id, ...body });
  const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token, body: {} });
  const start = (token = agent.token) =>
    app.call('POST', `/api/v1/attempts/${json.tasks[0].attempt.id}/start`, { token, body: {} });
  return { agent, made: made.json, task: json.tasks[0], start };
}

describe('a secret of the configuration', () => {
  it('is shown by its name to everybody but the holder who starts, and stored nowhere', async () => {
    const { made, task, start, agent } = await taken('starter', {});
    expect(made.environment).toEqual({ LANG: 'C', API_KEY: { secret: 'KEY' } });
    expect(task.environment).toEqual(made.environment);
    expect((await start(ADMIN_TOKEN)).status).toBe(403);
    const other = await app.agent('another');
    expect((await start(other.token)).status).toBe(404);

    const started = await start();
    expect(started.json).toMatchObject({ status: 'running', environment: { LANG: 'C', API_KEY: VALUE } });
    const again = await start(task.attempt.token);
    expect(again.json.environment.API_KEY).toBe(VALUE);

    const seen = await Promise.all([
      app.call('GET', `/api/v1/tasks/${made.id}`),
      app.call('GET', `/api/v1/tasks/${made.id}`, { token: agent.token }),
      app.call('GET', `/api/v1/tasks/${made.id}/events`),
      app.call('GET', `/api/v1/tasks/${made.id}/attempts`),
      app.call('GET', '/api/v1/tasks'),
    ]);
    expect(seen.map(({ text }) => text).join()).not.toContain(VALUE);
    expect(JSON.stringify(app.logged)).not.toContain(VALUE);
    expect(await everythingStored()).not.toContain(VALUE);
  });

  it.each([
    [{ command: ['true'], environment: { A: { secret: 'KEY' } } }, 'environment.A'],
    [{ template: 'deploy', environment: { A: { secret: 'KEY' } }, repository: 'main:alice/w' }, 'environment.A'],
    [{ template: 'ask', environment: { A: { secret: 'LOST' } } }, 'environment.A'],
    [{ template: 'deploy' }, 'repository'],
    [{ template: 'deploy', repository: 'main:bob/widgets' }, 'repository'],
    [{ template: 'ask', environment: { A: { secret: 'OURS' } }, repository: 'main:bob/w' }, 'environment.A'],
  ])('is refused to a task of another template or repository: %j', async (body, field) => {
    const { status, json } = await create(body);
    expect(status).toBe(422);
    expect(json).toMatchObject({ code: 'invalid', errors: [{ field }] });
  });

  it('is given to the tasks that it is for', async () => {
    expect((await create({ template: 'deploy', repository: 'main:alice/widgets' })).status).toBe(201);
    const asked = { template: 'ask', environment: { A: { secret: 'OURS' } }, repository: 'main:alice/w' };
    expect((await create(asked)).json.environment).toEqual({
      LANG: 'C',
      API_KEY: { secret: 'KEY' },
      A: { secret: 'OURS' },
    });
  });

  it('is hidden in what its command prints, though it comes in two pieces', async () => {
    const { task, start, agent } = await taken('printer', {});
    await start();
    const { id } = task.attempt;
    const write = async (query: string, text: string) => {
      const path = `/api/v1/attempts/${id}/log/stdout?${query}`;
      const headers = { 'Content-Type': 'application/octet-stream' };
      const answer = await app.call('PUT', path, { token: agent.token, body: text, headers });
      return answer.json.next_offset;
    };
    expect(await write('offset=0', 'the key is open-ses')).toBe(11);
    expect(await write('offset=11', 'open-sesame-4711 and open')).toBe(32);
    expect(await write('offset=32', 'open')).toBe(32);
    expect(await write('offset=32&end=1', 'open')).toBe(36);
    const stderr = `/api/v1/attempts/${id}/log/stderr`;
    const body = {
      outcome: 'completed',
      stderr: { text: `no ${VALUE} open` },
      summary: `made with ${VALUE}`,
      output: { [VALUE]: [VALUE] },
    };
    expect((await app.call('POST', `/api/v1/attempts/${id}/complete`, { token: agent.token, body })).status).toBe(200);

    const stars = '*'.repeat(VALUE.length);
    const stdout = await app.call('GET', `/api/v1/attempts/${id}/log/stdout`);
    expect(stdout.text).toBe(`the key is ${stars} and open`);
    expect((await app.call('GET', stderr)).text).toBe(`no ${stars} open`);
    const { json } = await app.call('GET', `/api/v1/attempts/${id}`);
    expect(json).toMatchObject({ summary: `made with ${stars}`, output: { [stars]: [stars] } });
    expect(json.stdout.sha256).toBe(createHash('sha256').update(stdout.text).digest('hex'));
    expect(await everythingStored()).not.toContain(VALUE);
  });

  it('that has gone from the configuration ends the attempt before it starts, and says so', async () => {
    const { made, task, start } = await taken('late', { max_infra_retries: 0 });
    secrets.delete('KEY');
    try {
      const { status, json } = await start();
      expect([status, json.code]).toEqual([409, 'lease_lost']);
      expect(json.detail).toContain('there is no secret KEY');
    } finally {
      secrets.set('KEY', { value: VALUE, templates: ['ask'], repositories: null });
    }
    expect((await app.call('GET', `/api/v1/tasks/${made.id}`)).json).toMatchObject({
      status: 'failed',
      attempt: { started_at: null },
      result: {
        outcome: 'failed',
        failure_class: 'setup',
        error: "there is no secret KEY in the server's configuration",
        attempt_id: task.attempt.id,
      },
    });
  });
});
