import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERROR_CODES, type ErrorCode } from '../../src/domain/errors.ts';
import { describeApi } from '../../src/http/app.ts';
import { type Answer, type Call, startTestApp, type TestApp } from '../support/app.ts';
import { createAnswerCheck } from '../support/described.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../support/recordings.ts';
import { addAgent } from '../support/tasks.ts';

/** Where a case asks, and what; the last answer is the one that has the code. */
type Ask = (method: string, path: string, call?: Call) => Promise<Answer>;
type Case = (ask: Ask, app: TestApp) => Promise<Answer>;

const tasks = '/api/v1/tasks';
const any = { title: 'any', command: ['true'] };
const UNKNOWN = '01a1fecd-f8ca-75d1-bca7-f750c85b68bf';
const made = async (ask: Ask, body: object = {}) => (await ask('POST', tasks, { body: { ...any, ...body } })).json;
let agents = 0;

/** A task that an agent of its own has taken. */
async function taken(ask: Ask, app: TestApp) {
  const label = `only-${++agents}`;
  const { id, token } = await app.agent(label, [label]);
  const task = await made(ask, { requires: [label] });
  const { json } = await ask('POST', `${tasks}/dequeue`, { token });
  return { task, agentId: id, token, attempt: `/api/v1/attempts/${json.tasks[0].attempt.id}` };
}
const bytes = { 'Content-Type': 'application/octet-stream' };
const onHost = (app: TestApp) => addAgent(app.database.db, `host-${++agents}`, { mode: 'ssh_cli' });

const CASES: Record<ErrorCode, Case> = {
  malformed: (ask) => ask('POST', tasks, { body: '{', headers: { 'Content-Type': 'application/json' } }),
  async assign_not_allowed(ask, app) {
    const { task, agentId } = await taken(ask, app);
    return ask('POST', `${tasks}/${task.id}/assign`, { body: { agent_id: agentId } });
  },
  async mode_mismatch(ask, app) {
    const { id } = await app.agent('pulls');
    const task = await made(ask);
    return ask('POST', `${tasks}/${task.id}/assign`, { body: { agent_id: id, execution_mode: 'ssh_cli' } });
  },
  unauthenticated: (ask) => ask('GET', tasks, { token: null }),
  signature_invalid(ask) {
    const { body, headers } = recorded('v15', 'alice comments: /run fix this please');
    const sent = Object.fromEntries(headers.filter(([name]) => /^(?:x-|content-type)/i.test(name)));
    for (const name of Object.keys(sent)) if (/signature/i.test(name)) sent[name] = '0'.repeat(64);
    return ask('POST', '/webhooks/forgejo/main', { token: null, headers: sent, body });
  },
  forbidden: async (ask, app) => ask('POST', tasks, { token: await app.token('viewer'), body: any }),
  async address_not_allowed(ask, app) {
    const { id, token } = await app.agent('elsewhere');
    await ask('PATCH', `/api/v1/agents/${id}`, { body: { allowed_networks: ['192.0.2.0/24'] } });
    return ask('POST', `${tasks}/dequeue`, { token });
  },
  not_found: (ask) => ask('GET', `${tasks}/${UNKNOWN}`),
  unknown_forge: (ask) => ask('POST', '/webhooks/forgejo/nowhere', { token: null, body: {} }),
  method_not_allowed: (ask) => ask('DELETE', '/healthz'),
  async lease_lost(ask, app) {
    const { token } = await taken(ask, app);
    return ask('POST', `/api/v1/attempts/${UNKNOWN}/complete`, { token, body: { outcome: 'completed' } });
  },
  async attempt_finished(ask, app) {
    const { attempt, token } = await taken(ask, app);
    await ask('POST', `${attempt}/complete`, { token, body: { outcome: 'completed' } });
    return ask('POST', `${attempt}/complete`, { token, body: { outcome: 'failed', exit_code: 1 } });
  },
  async offset_gap(ask, app) {
    const { attempt, token } = await taken(ask, app);
    return ask('PUT', `${attempt}/log/stdout?offset=7`, { token, body: 'late', headers: bytes });
  },
  status_not_allowed: async (ask) => ask('POST', `${tasks}/${(await made(ask)).id}/retry`),
  async idempotency_conflict(ask) {
    const headers = { 'Idempotency-Key': 'the same' };
    await ask('POST', tasks, { body: any, headers });
    return ask('POST', tasks, { body: { ...any, title: 'other' }, headers });
  },
  async instance_conflict(ask, app) {
    const { token } = await app.agent('copied');
    const from = (store: string) =>
      ask('POST', `${tasks}/dequeue`, { token, headers: { 'Taskejo-Instance': `${store}/1/n` } });
    await from('original');
    return from('copy');
  },
  async name_taken(ask, app) {
    await app.agent('taken');
    return ask('POST', '/api/v1/agents/register', { body: { name: 'taken' } });
  },
  configured_in_file: async (ask, app) => ask('DELETE', `/api/v1/agents/${await onHost(app)}`),
  async version_mismatch(ask) {
    const task = await made(ask, { requires_approval: true });
    return ask('POST', `${tasks}/${task.id}/approve`);
  },
  too_large: (ask) => ask('POST', tasks, { body: { ...any, body: 'x'.repeat(9 * 1024 * 1024) } }),
  unsupported_media_type: (ask) => ask('POST', tasks, { body: 'x', headers: { 'Content-Type': 'text/plain' } }),
  async range_not_satisfiable(ask, app) {
    const { attempt, token } = await taken(ask, app);
    await ask('PUT', `${attempt}/log/stdout?offset=0`, { token, body: 'short', headers: bytes });
    return ask('GET', `${attempt}/log/stdout`, { headers: { Range: 'bytes=100-' } });
  },
  invalid: (ask) => ask('POST', tasks, { body: { ...any, tilte: 'a typo' } }),
  dependency_cycle(ask) {
    const [one, other] = [randomUUIDv7(), randomUUIDv7()];
    const circle = [
      { ...any, id: one, depends_on: [other] },
      { ...any, id: other, depends_on: [one] },
    ];
    return ask('POST', tasks, { body: circle });
  },
  unknown_template: (ask) => ask('POST', tasks, { body: { title: 'any', template: 'nothing' } }),
  async rate_limited(ask, app) {
    const bad = `${await app.token('viewer')}x`;
    const limit = 3;
    for (let n = 0; n < limit; n += 1) await ask('GET', tasks, { token: bad });
    return ask('GET', tasks, { token: bad });
  },
  async internal(ask, { database: { db } }) {
    // As after a migration that took away too much.
    await sql`alter table deliveries rename to elsewhere`.execute(db);
    const answer = await ask('GET', '/api/v1/deliveries');
    await sql`alter table elsewhere rename to deliveries`.execute(db);
    return answer;
  },
  async unavailable(ask, app) {
    app.beginToStop();
    return ask('GET', '/readyz');
  },
};

/** What an answer of this code says beside the problem. */
const HEADERS: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'www-authenticate',
  method_not_allowed: 'allow',
  range_not_satisfiable: 'content-range',
  rate_limited: 'retry-after',
  unavailable: 'retry-after',
};

let app: TestApp;
const check = createAnswerCheck(describeApi('0.0.0'));
const undescribed: string[] = [];

/** Asks the app, and holds every answer against the document. */
const ask: Ask = async (method, path, call) => {
  const answer = await app.call(method, path, call);
  const { status, json } = answer;
  // The document has no operation for what isn't one.
  const operation = check.operation(method, path);
  const contentType = answer.headers.get('content-type');
  if (operation) undescribed.push(...check.problems({ method, path, status, contentType, json }));
  return answer;
};

beforeAll(async () => {
  app = await startTestApp({
    badTokensPerMinute: 3,
    forges: [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] }],
  });
});
afterAll(() => app.stop());

test.each(Object.entries(CASES) as [ErrorCode, Case][])('%s is answered as the table says', async (code, ofCode) => {
  const { status, headers, json } = await ofCode(ask, app);
  const [expected, title] = ERROR_CODES[code];
  expect([status, json.code, json.title, json.status]).toEqual([expected, code, title, expected]);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(json).toMatchObject({ type: 'about:blank', detail: expect.stringMatching(/./) });
  expect(headers.get('x-request-id')).toBe(json.request_id);
  const header = HEADERS[code];
  if (header !== undefined) expect(headers.get(header)).toMatch(/./);
  expect(undescribed.splice(0)).toEqual([]);
});

test('every code of the table has a case', () => {
  expect(Object.keys(CASES).sort()).toEqual(Object.keys(ERROR_CODES).sort());
});
