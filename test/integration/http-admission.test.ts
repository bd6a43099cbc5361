import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newAttemptToken, newToken } from '../../src/domain/token.ts';
import { describeApi } from '../../src/http/app.ts';
import { startTestApp, type TestApp } from '../support/app.ts';

const ID = '01a1fecd-f8ca-75d1-bca7-f750c85b68bf';

const ROLES = ['admin', 'coordinator', 'viewer', 'register', 'agent', 'attempt'] as const;
type Role = (typeof ROLES)[number];
const READ: Role[] = ['admin', 'coordinator', 'viewer'];
const READ_OWN: Role[] = [...READ, 'agent'];
const STEER: Role[] = ['admin', 'coordinator'];

/** Every route, and who is let in. */
const ROUTES: [method: string, path: string, admitted: Role[]][] = [
  ['POST', '/api/v1/tasks', STEER],
  ['GET', '/api/v1/tasks', READ],
  ['GET', '/api/v1/tasks/{id}', READ_OWN],
  ['GET', '/api/v1/tasks/{id}/events', READ_OWN],
  ['GET', '/api/v1/tasks/{id}/attempts', READ_OWN],
  ['GET', '/api/v1/tasks/{id}/explain', READ_OWN],
  ['GET', '/api/v1/events', READ],
  ['GET', '/api/v1/stats', READ],
  ['GET', '/api/v1/templates', READ],
  ['PATCH', '/api/v1/tasks/{id}', STEER],
  ['POST', '/api/v1/tasks/{id}/assign', STEER],
  ['POST', '/api/v1/tasks/{id}/unassign', STEER],
  ['POST', '/api/v1/tasks/{id}/approve', STEER],
  ['POST', '/api/v1/tasks/{id}/retry', STEER],
  ['POST', '/api/v1/tasks/{id}/cancel', STEER],
  ['POST', '/api/v1/tasks/dequeue', ['agent']],
  ['GET', '/api/v1/attempts/{id}', READ_OWN],
  ['POST', '/api/v1/attempts/{attempt_id}/start', ['agent', 'attempt']],
  ['POST', '/api/v1/attempts/{attempt_id}/renew', ['agent', 'attempt']],
  ['POST', '/api/v1/attempts/{attempt_id}/progress', ['agent', 'attempt']],
  ['POST', '/api/v1/attempts/{attempt_id}/complete', ['agent', 'attempt']],
  ['POST', '/api/v1/attempts/complete', ['agent']],
  ['PUT', '/api/v1/attempts/{attempt_id}/log/{stream}', ['agent', 'attempt']],
  ['GET', '/api/v1/attempts/{attempt_id}/log/{stream}', READ_OWN],
  ['POST', '/api/v1/agents/register', ['admin', 'coordinator', 'register']],
  ['POST', '/api/v1/agents/me/heartbeat', ['agent']],
  ['DELETE', '/api/v1/agents/me', ['agent']],
  ['GET', '/api/v1/agents', READ],
  ['GET', '/api/v1/agents/{id}', READ],
  ['PATCH', '/api/v1/agents/{id}', STEER],
  ['DELETE', '/api/v1/agents/{id}', STEER],
  ['POST', '/api/v1/tokens', ['admin']],
  ['GET', '/api/v1/tokens', ['admin']],
  ['DELETE', '/api/v1/tokens/{id}', ['admin']],
  ['GET', '/api/v1/audit', ['admin']],
  ['GET', '/api/v1/deliveries', STEER],
  ['GET', '/api/v1/deliveries/{id}', STEER],
];

const OPEN = [
  'POST /webhooks/forgejo/{forge}',
  'POST /webhooks/forgejo',
  'GET /healthz',
  'GET /readyz',
  'GET /metrics',
];

describe('who is let in', () => {
  let app: TestApp;
  const tokens = {} as Record<Role, string>;

  beforeAll(async () => {
    app = await startTestApp();
    for (const role of ['admin', 'coordinator', 'viewer', 'register', 'agent'] as const) {
      tokens[role] = await app.token(role, 'lasting');
    }
    const worker = await app.agent('worker');
    await app.call('POST', '/api/v1/tasks', { body: { title: 'any', command: ['true'] } });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: worker.token });
    tokens.attempt = json.tasks[0].attempt.token;
  });
  afterAll(() => app.stop());

  const ask = (method: string, path: string, token: string | null) =>
    app.call(method, path.replace('{id}', ID).replace('{attempt_id}', ID).replace('{stream}', 'stdout'), { token });

  it('is said of every route that there is', () => {
    const described = Object.entries(describeApi('0').paths ?? {}).flatMap(([path, item]) =>
      Object.keys(item as object).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect([...ROUTES.map(([method, path]) => `${method} ${path}`), ...OPEN].sort()).toEqual(described.sort());
  });

  it.each(ROUTES)('%s %s asks for a token', async (method, path) => {
    const none = await ask(method, path, null);
    expect([none.status, none.json.code]).toEqual([401, 'unauthenticated']);
    expect(none.headers.get('www-authenticate')).toContain('Bearer');
    for (const token of ['nonsense', newToken('admin'), newAttemptToken(ID), tokens.admin.replace(/.$/, '-')]) {
      const { status, json } = await ask(method, path, token);
      expect([status, json.code]).toEqual([401, 'unauthenticated']);
    }
  });

  // Leaving ends the agent's token, so it comes last.
  const inOrder = ROUTES.toSorted((a, b) => Number(a[1].endsWith('/me')) - Number(b[1].endsWith('/me')));
  it.each(inOrder)('%s %s lets in only whom it is for', async (method, path, admitted) => {
    for (const role of ROLES) {
      const { status, json } = await ask(method, path, tokens[role]);
      if (admitted.includes(role)) expect([role, status], JSON.stringify(json)).not.toEqual([role, 401]);
      const refused = status === 403 && json.code === 'forbidden';
      expect([role, refused]).toEqual([role, !admitted.includes(role)]);
    }
  });
});

describe('what an agent sees', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.stop());

  it("is its own tasks, with their attempts and logs, and nobody else's", async () => {
    const mine = await app.agent('mine');
    const other = await app.agent('other');
    await app.call('POST', '/api/v1/tasks', { body: { title: 'one', command: ['true'] } });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: mine.token });
    const [{ id, attempt }] = json.tasks;
    const paths = [
      `/api/v1/tasks/${id}`,
      `/api/v1/tasks/${id}/events`,
      `/api/v1/tasks/${id}/attempts`,
      `/api/v1/attempts/${attempt.id}`,
      `/api/v1/attempts/${attempt.id}/log/stdout`,
    ];
    for (const path of paths) {
      expect((await app.call('GET', path, { token: mine.token })).status).toBe(200);
      expect((await app.call('GET', path, { token: other.token })).status).toBe(404);
      expect((await app.call('GET', path, { token: attempt.token })).status).toBe(403);
    }
  });

  it("doesn't include writing to another agent's attempt, nor does an attempt's token for another one", async () => {
    const holder = await app.agent('holder');
    const thief = await app.agent('thief');
    for (const title of ['one', 'two']) await app.call('POST', '/api/v1/tasks', { body: { title, command: ['true'] } });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: holder.token, body: { max_tasks: 2 } });
    const [first, second] = json.tasks;
    const start = (id: string, token: string) => app.call('POST', `/api/v1/attempts/${id}/start`, { token });
    expect((await start(first.attempt.id, thief.token)).status).toBe(404);
    expect((await start(first.attempt.id, second.attempt.token)).status).toBe(403);
    expect((await start(first.attempt.id, first.attempt.token)).status).toBe(200);
  });
});
