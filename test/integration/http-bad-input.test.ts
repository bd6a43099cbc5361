import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, type Call, startTestApp, type TestApp } from '../support/app.ts';

const json = { 'Content-Type': 'application/json' };
const good = { title: 'good', command: ['true'] };
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const MiB = 1024 * 1024;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const TABLES = ['tasks', 'events', 'agents', 'tokens', 'deliveries'] as const;
async function rows(): Promise<number[]> {
  const counts = TABLES.map(async (table) => {
    const { rows: found } = await sql<{ n: number }>`select count(*)::int as n from ${sql.table(table)}`.execute(
      app.database.db,
    );
    return found[0]?.n ?? -1;
  });
  return Promise.all(counts);
}

describe('a body that can not be read', () => {
  const cases: [what: string, call: Call, status: number, code: string][] = [
    ['not JSON', { body: '{"title": "x"', headers: json }, 400, 'malformed'],
    ['JSON and more', { body: '{} {}', headers: json }, 400, 'malformed'],
    ['a bare word', { body: 'hello', headers: json }, 400, 'malformed'],
    ['not UTF-8', { body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), headers: json }, 400, 'malformed'],
    ['nested too deep', { body: `{"title":"x","command":${nested(100_000)}}`, headers: json }, 400, 'malformed'],
    ['a raw NUL', { body: '{"title":"a\0b","command":["true"]}', headers: json }, 400, 'malformed'],
    ['another type', { body: 'title=x', headers: { 'Content-Type': 'text/plain' } }, 415, 'unsupported_media_type'],
    [
      'a form',
      { body: 'title=x', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
      415,
      'unsupported_media_type',
    ],
    [
      'compressed',
      { body: gzipSync(JSON.stringify(good)), headers: { ...json, 'Content-Encoding': 'gzip' } },
      415,
      'unsupported_media_type',
    ],
    ['too large', { body: JSON.stringify({ ...good, body: 'x'.repeat(9 * MiB) }), headers: json }, 413, 'too_large'],
  ];
  it.each(cases)('is refused: %s', async (_what, call, status, code) => {
    const before = await rows();
    const answer = await app.call('POST', '/api/v1/tasks', call);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(await rows()).toEqual(before);
  });

  it('is refused when it grows too large without saying its length, and its connection isn’t for more', async () => {
    const { promise, resolve } = Promise.withResolvers<[status: number | undefined, connection: string | undefined]>();
    const outgoing = request(`${app.url}/api/v1/tasks`, {
      method: 'POST',
      headers: { ...json, Authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    outgoing.on('response', (response) => {
      response.resume();
      resolve([response.statusCode, response.headers.connection]);
    });
    outgoing.on('error', () => {});
    for (let sent = 0; sent < 9; sent++) outgoing.write(' '.repeat(MiB));
    expect(await promise).toEqual([413, 'close']);
    outgoing.destroy();
  });

  it('is told so when it is too large, though its caller keeps no connection and sends all before it reads', async () => {
    const { port } = new URL(app.url);
    const size = 32 * MiB;
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        `Authorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: ${size}\r\n\r\n`,
    );
    const sent = new Promise<Error | null | undefined>((resolve) => socket.write(Buffer.alloc(size, ' '), resolve));
    expect([await sent]).not.toContainEqual(expect.any(Error));
    expect((await text(socket)).split('\r\n')[0]).toBe('HTTP/1.1 413 Payload Too Large');
  });

  it('of exactly the limit is read', async () => {
    const body = JSON.stringify({ ...good, body: 'x' });
    const padded = body + ' '.repeat(8 * MiB - body.length);
    expect((await app.call('POST', '/api/v1/tasks', { body: padded, headers: json })).status).toBe(201);
    const more = await app.call('POST', '/api/v1/tasks', { body: `${padded} `, headers: json });
    expect(more.status).toBe(413);
  });
});

describe('a body that is not valid', () => {
  const task = (changes: object) => ({ ...good, ...changes });
  const cases: [what: string, path: string, body: unknown, field: string][] = [
    ['an unknown field', '/api/v1/tasks', task({ colour: 'red' }), 'colour'],
    ['a misspelt field', '/api/v1/tasks', task({ prioritty: 3 }), 'prioritty'],
    ['no title', '/api/v1/tasks', { command: ['true'] }, 'title'],
    ['a title of the wrong type', '/api/v1/tasks', task({ title: 7 }), 'title'],
    ['an empty title', '/api/v1/tasks', task({ title: '' }), 'title'],
    ['a title too long', '/api/v1/tasks', task({ title: 'x'.repeat(501) }), 'title'],
    ['NUL in a title', '/api/v1/tasks', task({ title: 'a\0b' }), 'title'],
    ['half a surrogate pair', '/api/v1/tasks', task({ title: '\ud800' }), 'title'],
    ['NUL in an argument', '/api/v1/tasks', task({ command: ['echo', 'a\0b'] }), 'command.1'],
    ['an empty command', '/api/v1/tasks', task({ command: [] }), 'command'],
    ['neither command nor template', '/api/v1/tasks', { title: 'x' }, 'command'],
    ['command and template', '/api/v1/tasks', task({ template: 't' }), 'command'],
    ['a priority beyond 10', '/api/v1/tasks', task({ priority: 11 }), 'priority'],
    ['a priority of no name', '/api/v1/tasks', task({ priority: 'soon' }), 'priority'],
    ['a mode that there is not', '/api/v1/tasks', task({ execution_mode: 'docker' }), 'execution_mode'],
    ['a label in capitals', '/api/v1/tasks', task({ requires: ['GPU'] }), 'requires.0'],
    ['a variable of the loader', '/api/v1/tasks', task({ environment: { LD_PRELOAD: 'x' } }), 'environment.LD_PRELOAD'],
    ['a timeout of nothing', '/api/v1/tasks', task({ timeout_seconds: 0 }), 'timeout_seconds'],
    ['a time that is none', '/api/v1/tasks', task({ run_after: 'tomorrow' }), 'run_after'],
    ['an agent that there is not', '/api/v1/tasks', task({ agent_id: 'nobody' }), 'agent_id'],
    ['an empty list', '/api/v1/tasks', [], 'body'],
    ['a number', '/api/v1/tasks', '7', 'body'],
    ['a name with a slash', '/api/v1/agents/register', { name: 'a/b' }, 'name'],
    ['a capacity of nothing', '/api/v1/agents/register', { name: 'a', capacity: 0 }, 'capacity'],
    ['a scope that there is not', '/api/v1/tokens', { name: 't', scope: 'root' }, 'scope'],
    ["an agent's token without its name", '/api/v1/tokens', { name: 't', scope: 'agent' }, 'agent_name'],
  ];
  it.each(cases)('is refused by field: %s', async (_what, path, body, field) => {
    const before = await rows();
    const answer = await app.call('POST', path, typeof body === 'string' ? { body, headers: json } : { body });
    expect([answer.status, answer.json.code]).toEqual([422, 'invalid']);
    expect(answer.json.errors.map((error: { field: string }) => error.field)).toContain(field);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(await rows()).toEqual(before);
  });

  it('is told all its faults at once', async () => {
    const { json: problem } = await app.call('POST', '/api/v1/tasks', { body: { title: 1, command: 'ls', x: 1 } });
    expect(problem.errors.map((error: { field: string }) => error.field).sort()).toEqual(['command', 'title', 'x']);
  });

  it('names a template that there is not', async () => {
    const { status, json: problem } = await app.call('POST', '/api/v1/tasks', { body: { title: 'x', template: 'no' } });
    expect([status, problem.code]).toEqual([422, 'unknown_template']);
  });
});

describe('what an attempt says', () => {
  let attempt: { id: string; token: string };
  beforeEach(async () => {
    const agent = await app.agent(`agent-${crypto.randomUUID()}`, ['for-attempts']);
    await app.call('POST', '/api/v1/tasks', { body: { ...good, requires: ['for-attempts'] } });
    const { json: taken } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token });
    attempt = taken.tasks[0].attempt;
  });

  const cases: [what: string, call: string, body: unknown, field: string][] = [
    ['completed with an exit code', 'complete', { outcome: 'completed', exit_code: 1 }, 'exit_code'],
    ['preempted', 'complete', { outcome: 'preempted' }, 'outcome'],
    ['a class without a failure', 'complete', { outcome: 'completed', failure_class: 'exit' }, 'failure_class'],
    ['NUL within the output', 'complete', { outcome: 'completed', output: { a: ['b\0'] } }, 'output'],
    ['an output too large', 'complete', { outcome: 'completed', output: 'x'.repeat(MiB) }, 'output'],
    ['a summary too large', 'complete', { outcome: 'completed', summary: 'x'.repeat(65 * 1024) }, 'summary'],
    ['more than all', 'progress', { percent: 101 }, 'percent'],
    ['a process without a boot', 'start', { process: { pid: 1, started_at: '1' } }, 'process.boot_id'],
  ];
  it.each(cases)('is refused: %s', async (_what, path, body, field) => {
    const { token, id } = attempt;
    const { status, json: problem } = await app.call('POST', `/api/v1/attempts/${id}/${path}`, { token, body });
    expect([status, problem.code]).toEqual([422, 'invalid']);
    expect(problem.errors.map((error: { field: string }) => error.field)).toContain(field);
    expect((await app.call('GET', `/api/v1/attempts/${id}`)).json).toMatchObject({ outcome: null, started_at: null });
  });

  const writes: [what: string, query: string, call: Call, status: number, code: string][] = [
    ['no offset', '', { body: 'x' }, 422, 'invalid'],
    ['an offset below nothing', '?offset=-1', { body: 'x' }, 422, 'invalid'],
    ['an unknown parameter', '?offset=0&gab=1', { body: 'x' }, 422, 'invalid'],
    ['too large a piece', '?offset=0', { body: Buffer.alloc(MiB + 1) }, 413, 'too_large'],
    [
      'another type',
      '?offset=0',
      { body: 'x', headers: { 'Content-Type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
  ];
  it.each(writes)('to its log is refused: %s', async (_what, query, call, status, code) => {
    const { token, id } = attempt;
    const headers = { 'Content-Type': 'application/octet-stream', ...call.headers };
    const answer = await app.call('PUT', `/api/v1/attempts/${id}/log/stdout${query}`, { ...call, token, headers });
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    const log = await app.call('GET', `/api/v1/attempts/${id}/log/stdout`);
    expect(log.headers.get('taskejo-log-bytes')).toBe('0');
  });
});

describe('an address that is not right', () => {
  const cases: [method: string, path: string, status: number, code: string][] = [
    ['GET', '/api/v1/tasks?limit=0', 422, 'invalid'],
    ['GET', '/api/v1/tasks?limit=201', 422, 'invalid'],
    ['GET', '/api/v1/tasks?limit=1&limit=2', 422, 'invalid'],
    ['GET', '/api/v1/tasks?colour=red', 422, 'invalid'],
    ['GET', '/api/v1/tasks?status=done', 422, 'invalid'],
    ['GET', '/api/v1/tasks?created_after=yesterday', 422, 'invalid'],
    ['GET', '/api/v1/tasks?cursor=nonsense', 422, 'invalid'],
    ['GET', `/api/v1/agents?cursor=${Buffer.from('["tokens","x"]').toString('base64url')}`, 422, 'invalid'],
    ['GET', `/api/v1/tokens?cursor=${Buffer.from('["tokens","x","y"]').toString('base64url')}`, 422, 'invalid'],
    ['GET', `/api/v1/deliveries?cursor=${Buffer.from('{"a":1}').toString('base64url')}`, 422, 'invalid'],
    ['GET', '/api/v1/tasks/not-an-id', 404, 'not_found'],
    ['GET', `/api/v1/tasks/${crypto.randomUUID()}`, 404, 'not_found'],
    ['GET', '/api/v1/agents/nobody', 404, 'not_found'],
    ['GET', '/api/v1/nothing', 404, 'not_found'],
    ['GET', `/api/v1/attempts/${crypto.randomUUID()}/log/stdin`, 404, 'not_found'],
    ['DELETE', '/api/v1/tasks', 405, 'method_not_allowed'],
    ['PUT', '/healthz', 405, 'method_not_allowed'],
  ];
  it.each(cases)('%s %s answers %i', async (method, path, status, code) => {
    const answer = await app.call(method, path);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(answer.json.request_id).toBe(answer.headers.get('x-request-id'));
  });

  it('names the methods that may be used', async () => {
    const { headers } = await app.call('DELETE', '/api/v1/tasks');
    expect(headers.get('allow')?.split(', ').sort()).toEqual(['GET', 'HEAD', 'POST']);
  });

  it('may lack a readable Host and is answered all the same', async () => {
    const { promise, resolve } = Promise.withResolvers<[number | undefined, string | undefined]>();
    request(app.url, { headers: { Host: 'a b' } }, (response) => {
      response.resume();
      resolve([response.statusCode, response.headers['content-type']]);
    }).end();
    expect(await promise).toEqual([400, 'application/problem+json']);
  });
});

describe('what is wrong with a request is said in words a person uses:', () => {
  const task = (changes: object) => ({ ...good, ...changes });
  const cases: [body: unknown, field: string, message: string][] = [
    [{ command: ['true'] }, 'title', 'is missing'],
    [task({ title: '' }), 'title', 'must not be empty'],
    [task({ title: 5 }), 'title', 'must be text, not a number'],
    [task({ title: 'x'.repeat(501) }), 'title', 'must have at most 500 characters'],
    [task({ command: 'true' }), 'command', 'must be a list, not text'],
    [task({ timeout_seconds: 0 }), 'timeout_seconds', 'must be at least 1'],
    [task({ timeout_seconds: 1.5 }), 'timeout_seconds', 'must be a whole number, not a fraction'],
    [task({ limits: 5 }), 'limits', 'must be an object, not a number'],
    [task({ run_after: 'tomorrow' }), 'run_after', 'must be a time in RFC 3339'],
    [task({ depends_on: ['x'] }), 'depends_on.0', 'must be a UUID'],
    [task({ sandbox: 'chroot' }), 'sandbox', 'must be one of none, bubblewrap, container'],
    ...[2.5, 'hihg', null].map((priority): [unknown, string, string] => [
      task({ priority }),
      'priority',
      'must be a whole number from 0 to 10, or one of low, medium, high, urgent',
    ]),
    [
      task({ environment: { A: 5 } }),
      'environment.A',
      'must be text of at most 100 KiB, or {"secret": a name of the configuration}',
    ],
    [task({ environment: { A: 'a\0' } }), 'environment.A', 'must be text without NUL'],
    [task({ environment: { A: { secret: 'B', more: 1 } } }), 'environment.A.more', 'is not a field known here'],
    [task({ priorty: 3 }), 'priorty', 'is not a field known here'],
    [null, 'body', 'must be a task, or a list of 1 to 1,000 tasks'],
    [[], 'body', 'must not be empty'],
    [task({ priority: 11 }), 'priority', 'must be at most 10'],
    [[good, task({ title: '' })], '1.title', 'must not be empty'],
  ];
  it.each(cases)('%j', async (body, field, message) => {
    const { status, json: said } = await app.call('POST', '/api/v1/tasks', {
      body: JSON.stringify(body),
      headers: json,
    });
    expect([status, said.errors]).toEqual([422, [{ field, message }]]);
  });
});
