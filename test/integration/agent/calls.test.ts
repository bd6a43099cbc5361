import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createHttpControlPlane } from '../../../src/agent/control-plane.ts';
import { asAgent, signedCredential } from '../../../src/agent/credential.ts';
import { createServerClient, ServerAway, type ServerClient, ServerRefusal } from '../../../src/agent/http.ts';
import { createSend } from '../../../src/agent/send.ts';
import { createServerClock, type ServerClock } from '../../../src/agent/server-clock.ts';
import { newKeyPair } from '../../../src/domain/signed-token.ts';
import { startTestApp } from '../../support/app.ts';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;
const dequeue = { method: 'POST', path: '/api/v1/tasks/dequeue', body: {}, schema: null } as const;
const clientOf = (url: string, clock: ServerClock, timeoutSeconds = 30): ServerClient =>
  createServerClient({ server: { url, timeoutSeconds }, clock, random: () => 0, send: createSend(false) });

/** Answers as it is told, over real HTTP. */
async function startServer(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const calls: string[] = [];
  const server = createServer((request, response) => {
    calls.push(request.url ?? '');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
}

test.each([-HOUR_MS, HOUR_MS])(
  'an agent whose clock is wrong by %d ms is known by its key at its first call',
  async (wrongMs) => {
    const app = await startTestApp();
    onTestFinished(() => app.stop());
    const keys = newKeyPair();
    const body = { name: 'late', public_key: keys.publicKey };
    const { agent_id: sub } = (await app.call('POST', '/api/v1/agents/register', { body })).json;
    const { installation_id: aud } = (await app.call('GET', '/healthz')).json;
    const clock = createServerClock(() => Date.now() + wrongMs);
    const statuses: number[] = [];
    const client = clientOf(app.url, clock);
    const counted: ServerClient = async (request, signal) => {
      const asked = client(request, signal);
      statuses.push(await asked.then(() => 200).catch((error: ServerRefusal) => error.status));
      return asked;
    };
    const agent = asAgent(counted, signedCredential(keys, { sub, aud }, clock), 's/1/n');
    await agent(dequeue, never);
    await agent(dequeue, never);
    // The refusal told the time.
    expect(statuses).toEqual([401, 200, 200]);
  },
);

test('an agent that is not known is refused after one try, or two when that told it the time', async () => {
  const app = await startTestApp();
  onTestFinished(() => app.stop());
  const { installation_id: aud } = (await app.call('GET', '/healthz')).json;
  const clock = createServerClock(Date.now);
  const agent = asAgent(
    clientOf(app.url, clock),
    signedCredential(newKeyPair(), { sub: 'nobody', aud }, clock),
    's/1/n',
  );
  await expect(agent(dequeue, never)).rejects.toThrow(ServerRefusal);
});

test.each([
  ['seconds', '1'],
  ['a moment', 'date'],
])('no request is sent before Retry-After, said as %s, is over', async (_, said) => {
  let busy = true;
  const server = await startServer((_request, response) => {
    const later = said === 'date' ? new Date(Date.now() + 2_000).toUTCString() : said;
    if (busy) response.writeHead(503, { 'retry-after': later, 'content-type': 'application/problem+json' });
    response.end(busy ? '{"code": "unavailable", "detail": "away"}' : '{}');
  });
  const client = clientOf(server.url, createServerClock(Date.now));
  const get = { method: 'GET', path: '/', schema: null } as const;
  const beganMs = performance.now();
  await expect(client(get, never)).rejects.toThrow(ServerAway);
  busy = false;
  await Promise.all([client(get, never), client({ ...get, path: '/other' }, never)]);
  // A moment has whole seconds: of two, one may be over.
  expect(performance.now() - beganMs).toBeGreaterThanOrEqual(999);
  expect(server.calls).toHaveLength(3);
});

test('waiting for Retry-After ends with the signal', async () => {
  const server = await startServer((_request, response) => response.writeHead(429, { 'retry-after': '60' }).end());
  const client = clientOf(server.url, createServerClock(Date.now));
  const get = { method: 'GET', path: '/', schema: null } as const;
  await expect(client(get, never)).rejects.toThrow(ServerAway);
  const stop = new AbortController();
  const waiting = client(get, stop.signal);
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
  expect(server.calls).toHaveLength(1);
});

test('a server that does not answer is given up, and a redirect is not followed', async () => {
  const silent = await startServer(() => {});
  const client = clientOf(silent.url, createServerClock(Date.now), 1);
  const get = { method: 'GET', path: '/', schema: null } as const;
  await expect(client(get, never)).rejects.toThrow('no answer within 1 s');
  const elsewhere = await startServer((_request, response) => response.writeHead(302, { location: silent.url }).end());
  const other = clientOf(elsewhere.url, createServerClock(Date.now));
  await expect(other({ ...get, token: 'a secret' }, never)).rejects.toThrow(ServerAway);
  expect(silent.calls).toHaveLength(1);
});

test.each([
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [403, 'address_not_allowed'],
  [409, 'instance_conflict'],
])('%d %s is no last word about an attempt: the same is said again later', async (status, code) => {
  const server = await startServer((_request, response) => {
    response
      .writeHead(status, { 'content-type': 'application/problem+json' })
      .end(JSON.stringify({ code, detail: '' }));
  });
  const plane = createHttpControlPlane(clientOf(server.url, createServerClock(Date.now)));
  await expect(plane.renew('attempt', null, never)).rejects.toMatchObject({ kind: 'unavailable' });
});
