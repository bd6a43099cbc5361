import { createHmac, randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newKeyPair, signingKey, signToken } from '../../src/domain/signed-token.ts';
import { describeApi } from '../../src/http/app.ts';
import { type Answer, type Call, startTestApp, type TestApp } from '../support/app.ts';
import { createAnswerCheck, operationsOf } from '../support/described.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../support/recordings.ts';

const document = describeApi('0.0.0');
const check = createAnswerCheck(document);
const problems: string[] = [];
const reached = new Set<string>();

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    forges: [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] }],
    templates: [{ name: 'fix', command: ['cat'], description: 'Fixes', variables: { what: { default: 'all' } } }],
  });
});
afterAll(() => app.stop());

/** Asks for something that succeeds, and holds the answer against the document. */
async function ask(method: string, path: string, call?: Call): Promise<Answer> {
  const answer = await app.call(method, path, call);
  const { status, json, text } = answer;
  expect([status, text.slice(0, 200)]).toEqual([expect.toSatisfy((one) => one >= 200 && one < 300), expect.anything()]);
  problems.push(...check.problems({ method, path, status, contentType: answer.headers.get('content-type'), json }));
  const operation = check.operation(method, path);
  reached.add(`${method} ${operation?.path} ${status}`);
  return answer;
}

const tasks = '/api/v1/tasks';
const make = async (body: object = {}) =>
  (await ask('POST', tasks, { body: { title: 'any', command: ['true'], ...body } })).json;

async function steer(): Promise<void> {
  const keys = newKeyPair();
  const body = { name: 'steered', labels: ['none'], public_key: keys.publicKey };
  const { json: agent } = await ask('POST', '/api/v1/agents/register', { body });
  const { installation_id: aud } = (await app.call('GET', '/healthz')).json;
  const iat = Math.floor(Date.now() / 1000);
  const proof = signToken({ sub: body.name, aud, iat, exp: iat + 60, jti: 'j' }, signingKey(keys));
  await ask('POST', '/api/v1/agents/register', { body, headers: { 'Taskejo-Proof': proof } });
  const waits = await make({ requires: ['nobody-has-this'], requires_approval: true, priority: 'high' });
  const one = `${tasks}/${waits.id}`;
  await ask('PATCH', one, { body: { title: 'other' }, headers: { 'If-Match': `"${waits.version}"` } });
  await ask('POST', `${one}/approve`, { headers: { 'If-Match': `"${waits.version + 1}"` } });
  await ask('POST', `${one}/assign`, { body: { agent_id: agent.agent_id } });
  await ask('POST', `${one}/unassign`);
  await ask('GET', `${one}/explain`);
  await ask('POST', `${one}/cancel`, { body: { reason: 'no' } });
  await ask('POST', `${one}/retry`);
  await make({
    environment: { A: 'b' },
    run_after: '2100-01-01T00:00:00Z',
    limits: { processes: 5 },
    template: 'fix',
    command: undefined,
  });
  await ask('POST', tasks, { body: [{ title: 'a', command: ['true'], requires: ['no'], depends_on: [waits.id] }] });
  const known = { id: randomUUIDv7(), requires: ['nobody-has-this'] };
  await make(known);
  await make(known);
  await ask('PATCH', `/api/v1/agents/${agent.agent_id}`, { body: { cordoned: true, cordon_reason: 'broken' } });
  await ask('GET', `/api/v1/agents/${agent.agent_id}`);
  await ask('GET', '/api/v1/agents');
  await ask('DELETE', `/api/v1/agents/${agent.agent_id}`);
}

async function pull(): Promise<void> {
  const { token } = await app.agent('pulls', ['pull'], 9);
  await make({ requires: ['pull'], max_retries: 1 });
  await make({ requires: ['pull'], output_schema: { type: 'object' } });
  const { json } = await ask('POST', `${tasks}/dequeue`, { token, body: { max_tasks: 2 } });
  const [first, second] = json.tasks;
  const attempt = `/api/v1/attempts/${first.attempt.id}`;
  const process = { pid: 7, started_at: 'then', boot_id: 'boot' };
  await ask('POST', `${attempt}/start`, { token, body: { process } });
  await ask('POST', `${attempt}/renew`, { token, body: { progress: { percent: 1, message: 'begun' } } });
  await ask('POST', `${attempt}/progress`, { token, body: { percent: 50, message: 'half' } });
  const body = new TextEncoder().encode('some output\n');
  const bytes = { 'Content-Type': 'application/octet-stream' };
  await ask('PUT', `${attempt}/log/stdout?offset=0`, { token, body, headers: bytes });
  const metrics = { cpu_percent: 1.5 };
  await ask('POST', '/api/v1/agents/me/heartbeat', { token, body: { attempt_ids: [first.attempt.id], metrics } });
  await ask('GET', `${tasks}/${first.id}`);
  await ask('GET', attempt);
  const result = { outcome: 'failed', exit_code: 3, summary: 's', output: { a: 1 }, usage: { wall_seconds: 1 } };
  await ask('POST', `${attempt}/complete`, { token, body: result });
  const items = [{ attempt_id: second.attempt.id, outcome: 'completed', output: { a: 1 } }];
  await ask('POST', '/api/v1/attempts/complete', { token, body: { items } });
  await ask('GET', `${attempt}/log/stdout`);
  await ask('GET', `${attempt}/log/stdout`, { headers: { Range: 'bytes=0-3' } });
  for (const what of ['', '/events', '/attempts', '/explain']) {
    for (const { id } of [first, second]) await ask('GET', `${tasks}/${id}${what}`);
  }
  await ask('GET', attempt);
  await ask('POST', `${tasks}/dequeue`, { token: (await app.agent('idle', ['idle'])).token, body: {} });
  await ask('DELETE', '/api/v1/agents/me', { token });
}

async function administer(): Promise<void> {
  const body = { name: 'a viewer', scope: 'viewer', expires_in_seconds: 60, labels: ['x'] };
  const { json } = await ask('POST', '/api/v1/tokens', { body });
  await ask('POST', '/api/v1/tokens', { body: { name: 'an agent', scope: 'agent', agent_name: 'made' } });
  await ask('GET', '/api/v1/tokens');
  await ask('GET', '/api/v1/audit');
  await ask('DELETE', `/api/v1/tokens/${json.id}`);
}

async function deliver(): Promise<void> {
  const { body, headers } = recorded('v15', 'alice comments: /run fix this please');
  const all = Object.fromEntries(headers.filter(([name]) => /^(?:x-|content-type)/i.test(name)));
  const other = body.replace('/run fix', '/run fix ');
  const signature = createHmac('sha256', RECORDED_SECRET).update(other).digest('hex');
  const signed = Object.keys(all).map((name) => [name, /signature/i.test(name) ? signature : all[name]] as const);
  const own = Object.fromEntries(signed.map(([name, value]) => [name, /-256$/.test(name) ? `sha256=${value}` : value]));
  await ask('POST', '/webhooks/forgejo/main', { token: null, body, headers: all as Record<string, string> });
  await ask('POST', '/webhooks/forgejo', { token: null, body: other, headers: own as Record<string, string> });
  const { json } = await ask('GET', '/api/v1/deliveries');
  for (const { id } of json.items) await ask('GET', `/api/v1/deliveries/${id}`);
}

async function read(): Promise<void> {
  for (const path of ['/healthz', '/readyz', '/metrics']) await ask('GET', path, { token: null });
  await ask('GET', '/api/v1/templates');
  await ask('GET', '/api/v1/stats');
  await ask('GET', '/api/v1/events?limit=200');
  for (const query of ['', '?sort=rank', '?status=failed,completed', '?limit=1']) await ask('GET', `${tasks}${query}`);
}

test('every answer that succeeds is as the document describes it: its status, its type and all its fields', async () => {
  for (const part of [steer, pull, administer, deliver, read]) await part();
  expect([...new Set(problems)]).toEqual([]);
});

test('every success that the document knows was looked at', () => {
  const known = operationsOf(document).flatMap(({ method, path, responses }) =>
    Object.keys(responses)
      .filter((status) => status.startsWith('2'))
      .map((status) => `${method} ${path} ${status}`),
  );
  expect([...reached].sort()).toEqual(known.sort());
});
