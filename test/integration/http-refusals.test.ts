import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startTestApp, type TestApp } from '../support/app.ts';

describe('what is refused', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.stop());

  const task = async () =>
    (await app.call('POST', '/api/v1/tasks', { body: { title: 'any', command: ['true'] } })).json.id;

  it('a parameter that a path does not know, also where it knows none', async () => {
    const id = await task();
    for (const [method, path] of [
      ['GET', `/api/v1/tasks/${id}`],
      ['POST', `/api/v1/tasks/${id}/cancel`],
    ] as const) {
      const { status, json } = await app.call(method, `${path}?forse=1`);
      expect([status, json.code, json.errors]).toEqual([
        422,
        'invalid',
        [{ field: 'forse', message: 'is not a parameter known here' }],
      ]);
    }
    expect((await app.call('GET', `/api/v1/tasks/${id}`)).json.status).toBe('pending');
  });

  it("another agent's attempt, in the words for one that there isn't", async () => {
    const [holder, stranger] = [await app.agent('holder'), await app.agent('stranger')];
    await task();
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: holder.token });
    const unknown = '01a1fecd-f8ca-75d1-bca7-f750c85b68bf';
    for (const what of ['', '/log/stdout']) {
      const details = await Promise.all(
        [json.tasks[0].attempt.id, unknown].map(async (id) => {
          const answer = await app.call('GET', `/api/v1/attempts/${id}${what}`, { token: stranger.token });
          return [answer.status, answer.json.detail];
        }),
      );
      expect(details).toEqual([
        [404, 'There is no such attempt.'],
        [404, 'There is no such attempt.'],
      ]);
    }
  });

  it('a name of the environment, saying what is wrong with it', async () => {
    const body = { title: 'any', command: ['true'], environment: { LD_PRELOAD: 'x' } };
    const { json } = await app.call('POST', '/api/v1/tasks', { body });
    expect(json.errors).toEqual([
      { field: 'environment.LD_PRELOAD', message: 'is a name that the shell, the loader or Taskejo owns' },
    ]);
  });

  it.each([
    ['what is no request', 'GARBAGE\r\n\r\n', 400, 'malformed'],
    ['a request without a host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed'],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 413, 'too_large'],
  ])('%s, as a problem like any other', async (_, sent, status, code) => {
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname, () => socket.write(sent));
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head.toLowerCase()).toContain('content-type: application/problem+json');
    const problem = JSON.parse(/\{.*\}/s.exec(body)?.[0] ?? '');
    expect(problem).toMatchObject({ status, code });
    expect(head.toLowerCase()).toContain(`x-request-id: ${problem.request_id}`);
  });

  it('a request that does not come in whole in time, whose sender is told to come again, and then it is not done', async () => {
    const { hostname, port } = new URL(app.url);
    const head = ['POST /api/v1/tasks HTTP/1.1', 'Host: x', `Authorization: Bearer ${ADMIN_TOKEN}`];
    const late = '{"title":"late","command":["true"]}';
    const rest = ['Content-Type: application/json', `Content-Length: ${late.length}`, '', late].join('\r\n');
    const socket = connect(Number(port), hostname, () => socket.write(`${head.join('\r\n')}\r\n`));
    socket.once('data', () => socket.write(rest)).on('error', () => {});
    const [answer = '', body = ''] = (await text(socket)).split('\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(answer).toMatch(/^Retry-After: \d+$/m);
    expect(JSON.parse(body)).toMatchObject({ status: 503, code: 'unavailable' });
    await task(); // and the one before it, were it done
    expect((await app.call('GET', '/api/v1/tasks?q=late')).json).toMatchObject({ items: [] });
  });
});
