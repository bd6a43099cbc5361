import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { type Call, startTestApp, type TestApp } from '../support/app.ts';
import { openTransactionsEnd } from '../support/open-transactions.ts';
import { waitFor } from '../support/wait-for.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ openMetrics: false });
});
afterAll(() => app.stop());

const OURS = 'main:alice/widgets';
const task = (more: object = {}) => ({ title: 'any', command: ['true'], repository: OURS, ...more });
const make = async (more: object = {}) => (await app.call('POST', '/api/v1/tasks', { body: task(more) })).json;
const tokenFor = async (scope: string, restricted: object, more: object = {}): Promise<string> =>
  (await app.call('POST', '/api/v1/tokens', { body: { name: 'restricted', scope, ...restricted, ...more } })).json
    .token;
const ofAlice = { repositories: ['main:alice/*'] };

describe('a token restricted to repositories', () => {
  it('is shown with what it is restricted to', async () => {
    const body = { name: 'bound', scope: 'viewer', ...ofAlice, labels: ['gpu'] };
    const { json } = await app.call('POST', '/api/v1/tokens', { body });
    expect(json).toMatchObject({ repositories: ['main:alice/*'], labels: ['gpu'] });
    const { items } = (await app.call('GET', '/api/v1/tokens')).json;
    expect(items[0]).toMatchObject({ id: json.id, repositories: ['main:alice/*'], labels: ['gpu'] });
    expect((await app.call('POST', '/api/v1/tokens', { body: { name: 'free', scope: 'viewer' } })).json).toMatchObject({
      repositories: null,
      labels: null,
    });
  });

  it.each([[['alice']], [['a/b/c']], [['main:alice/']], [[]], [['main:x:y/z']]])('is refused for %j', async (list) => {
    const body = { name: 'x', scope: 'viewer', repositories: list };
    const { status, json } = await app.call('POST', '/api/v1/tokens', { body });
    expect([status, json.code]).toEqual([422, 'invalid']);
  });

  it('sees, reads and steers tasks of these, and there are no others for it', async () => {
    const token = await tokenFor('coordinator', ofAlice);
    const [mine, hers, nobodys] = [
      await make(),
      await make({ repository: 'main:bob/secret' }),
      await make({ repository: null }),
    ];
    const agent = await app.agent('holder-of-hers');
    await app.call('POST', `/api/v1/tasks/${hers.id}/assign`, { body: { agent_id: agent.id } });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token, body: { max_tasks: 3 } });
    const attempt = json.tasks.find((one: { id: string }) => one.id === hers.id).attempt.id;

    const ofTask: [string, string, object?][] = [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '/attempts'],
      ['GET', '/explain'],
      ['PATCH', '', { title: 'changed' }],
      ['POST', '/assign', { agent_id: agent.id }],
      ['POST', '/unassign', {}],
      ['POST', '/retry', {}],
      ['POST', '/approve', {}],
      ['POST', '/cancel', {}],
    ];
    for (const [method, path, body] of ofTask) {
      for (const { id } of [hers, nobodys]) {
        const answer = await app.call(method, `/api/v1/tasks/${id}${path}`, { token, body });
        expect([method, path, answer.status, answer.json.code]).toEqual([method, path, 404, 'not_found']);
      }
      const allowed = await app.call(method, `/api/v1/tasks/${mine.id}${path}`, { token, body });
      expect([method, path, allowed.status]).not.toEqual([method, path, 404]);
      expect(allowed.status).not.toBe(403);
    }
    for (const path of ['', '/log/stdout', '/log/stdout?follow=1']) {
      expect((await app.call('GET', `/api/v1/attempts/${attempt}${path}`, { token })).status).toBe(404);
    }
    expect((await app.call('GET', `/api/v1/tasks/${hers.id}`)).json.title).toBe('any');
  });

  it('lists tasks and events of these alone, on every page and live', async () => {
    const token = await tokenFor('viewer', { repositories: ['ALICE/listed'] });
    const mine = await make({ repository: 'main:alice/listed' });
    await make({ repository: 'main:alice/listed-not' });
    await make({ repository: 'main:bob/listed' });
    const { items } = (await app.call('GET', '/api/v1/tasks?limit=200', { token })).json;
    expect(items.map(({ id }: { id: string }) => id)).toEqual([mine.id]);
    const ranked = (await app.call('GET', '/api/v1/tasks?sort=rank&status=pending', { token })).json;
    expect(ranked.items.map(({ id }: { id: string }) => id)).toEqual([mine.id]);

    await openTransactionsEnd(app.deps.db);
    const events = (await app.call('GET', '/api/v1/events?limit=200', { token })).json;
    expect(new Set(events.items.map((one: { task_id: string }) => one.task_id))).toEqual(new Set([mine.id]));
    const reading = new AbortController();
    const live = await app.fetch('GET', '/api/v1/events?follow=1&after=0', { token, signal: reading.signal });
    let text = '';
    const decoder = new TextDecoder();
    const later = await make({ repository: 'main:alice/listed' });
    await make({ repository: 'main:bob/listed' });
    for await (const piece of live.body ?? []) {
      text += decoder.decode(piece, { stream: true });
      if (text.includes(later.id)) break;
    }
    reading.abort();
    const told = [...text.matchAll(/"task_id":"([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(told)).toEqual(new Set([mine.id, later.id]));
  });

  it('makes tasks of these alone, which wait for none that it does not see', async () => {
    const token = await tokenFor('coordinator', ofAlice);
    const create = (body: unknown) => app.call('POST', '/api/v1/tasks', { token, body });
    expect((await create(task())).status).toBe(201);
    for (const body of [
      task({ repository: null }),
      task({ repository: 'main:bob/secret' }),
      task({ repository: 'other:alice/widgets' }),
      [task(), task({ repository: 'main:bob/secret' })],
    ]) {
      const { status, json } = await create(body);
      expect([status, json.code]).toEqual([403, 'forbidden']);
    }
    const hers = await make({ repository: 'main:bob/secret' });
    const { status, json } = await create(task({ depends_on: [hers.id] }));
    expect([status, json.errors]).toEqual([422, [{ field: 'depends_on', message: `there is no task ${hers.id}` }]]);
  });

  it('is told of no task of others that one waited for: by what it shows, its history, its end', async () => {
    const hers = await make({ repository: 'main:bob/secret' });
    const ours = await make();
    const mine = await make({ depends_on: [hers.id, ours.id] });
    const runs = await make({ depends_on: [hers.id], on_dependency_failure: 'run' });
    const token = await tokenFor('coordinator', ofAlice);
    const read = async (path: string, as?: string) =>
      (await app.call('GET', `/api/v1${path}`, { ...(as === undefined ? {} : { token: as }) })).text;
    const shown = JSON.parse(await read(`/tasks/${mine.id}`, token));
    expect([shown.depends_on, shown.unmet_dependencies]).toEqual([[ours.id], 2]);
    await app.call('POST', `/api/v1/tasks/${hers.id}/cancel`, { body: {} });
    while ((await tellDependants(app.deps)) > 0);
    expect(JSON.parse(await read(`/tasks/${mine.id}`)).status).toBe('cancelled');
    expect(await read(`/tasks/${runs.id}/events`)).toContain('dependency_met');
    await openTransactionsEnd(app.deps.db);
    const paths = [mine.id, runs.id].flatMap((id) => [`/tasks/${id}`, `/tasks/${id}/events`]);
    for (const path of [...paths, '/tasks?limit=200', '/events?limit=200']) {
      expect([path, (await read(path, token)).includes(hers.id)]).toEqual([path, false]);
      expect([path, (await read(path)).includes(hers.id)]).toEqual([path, true]);
    }
    const end = JSON.parse(await read(`/tasks/${mine.id}`, token));
    expect(end.cancel_reason).toBe('Another task, which this one depends on, was cancelled.');
    const retried = await app.call('POST', `/api/v1/tasks/${mine.id}/retry`, { token, body: {} });
    expect([retried.status, retried.text.includes(hers.id)]).toEqual([200, false]);
  });

  it('is not told which task of others one waits for', async () => {
    const hers = await make({ repository: 'main:bob/secret', concurrency_key: 'shared' });
    const mine = await make({ depends_on: [hers.id] });
    const second = await make({ concurrency_key: 'shared' });
    const token = await tokenFor('viewer', ofAlice);
    for (const { id } of [mine, second]) {
      const { status, text } = await app.call('GET', `/api/v1/tasks/${id}/explain`, { token });
      expect(status).toBe(200);
      expect(text).not.toContain(hers.id);
    }
  });

  it.each([
    ['GET', '/api/v1/tokens'],
    ['GET', '/api/v1/audit'],
    ['GET', '/api/v1/stats'],
    ['GET', '/api/v1/deliveries'],
    ['GET', '/metrics'],
    ['PATCH', '/api/v1/agents/any', { cordoned: true }],
    ['DELETE', '/api/v1/agents/any'],
    ['POST', '/api/v1/tokens', { name: 'more', scope: 'admin' }],
  ] as const)('comes not to what is about more than tasks: %s %s', async (method, path, body = undefined) => {
    const token = await tokenFor('admin', ofAlice);
    const { status, json } = await app.call(method, path, { token, body });
    expect([status, json.code]).toEqual([403, 'forbidden']);
  });
});

describe('a token restricted to labels', () => {
  it('is for tasks that require one of them, and can not take them away', async () => {
    const token = await tokenFor('coordinator', { labels: ['gpu', 'cpu'] });
    const create = (requires: string[]) => app.call('POST', '/api/v1/tasks', { token, body: task({ requires }) });
    const mine = (await create(['gpu', 'linux'])).json;
    expect((await create(['linux'])).status).toBe(403);
    const other = await make({ requires: ['linux'] });
    expect((await app.call('GET', `/api/v1/tasks/${mine.id}`, { token })).status).toBe(200);
    expect((await app.call('GET', `/api/v1/tasks/${other.id}`, { token })).status).toBe(404);
    const patch = (requires: string[]) => app.call('PATCH', `/api/v1/tasks/${mine.id}`, { token, body: { requires } });
    expect((await patch(['linux'])).status).toBe(403);
    expect((await patch(['cpu'])).status).toBe(200);
  });

  it('asked again for what it has made is not shown it where it is for others now', async () => {
    const token = await tokenFor('coordinator', { labels: ['gpu'] });
    const call: Call = { token, body: task({ requires: ['gpu'] }), headers: { 'Idempotency-Key': randomUUID() } };
    const { id } = (await app.call('POST', '/api/v1/tasks', call)).json;
    expect((await app.call('POST', '/api/v1/tasks', call)).json.id).toBe(id);
    await app.call('PATCH', `/api/v1/tasks/${id}`, { body: { requires: ['cpu'], title: 'not for all eyes' } });
    const { status, text } = await app.call('POST', '/api/v1/tasks', call);
    expect([status, text]).toEqual([403, expect.not.stringContaining('not for all eyes')]);
  });
});

describe('an agent made with a restricted token', () => {
  const ofCarol = { repositories: ['main:carol/*'] };
  const dequeue = async (token: string, wait = 0) =>
    (await app.call('POST', '/api/v1/tasks/dequeue', { token, body: { max_tasks: 10, wait_seconds: wait } })).json
      ?.tasks ?? [];
  const idsOf = (tasks: { id: string }[]) => tasks.map(({ id }) => id);

  it('is given tasks of its repositories alone, however many others wait before them', async () => {
    const requires = ['bounded'];
    // More than any claim looks at.
    const flood = task({ requires, repository: 'main:bob/flood', priority: 9 });
    expect((await app.call('POST', '/api/v1/tasks', { body: Array.from({ length: 1_000 }, () => flood) })).status).toBe(
      201,
    );
    expect((await app.call('POST', '/api/v1/tasks', { body: Array.from({ length: 300 }, () => flood) })).status).toBe(
      201,
    );
    const mine = await make({ requires, repository: 'main:carol/x' });
    const register = await tokenFor('register', ofCarol);
    const body = { name: 'bounded', labels: requires, capacity: 10 };
    const registered = await app.call('POST', '/api/v1/agents/register', { token: register, body });
    expect(idsOf(await dequeue(registered.json.token))).toEqual([mine.id]);

    const { json } = await app.call('POST', '/api/v1/tokens', {
      body: { name: 'for a curl agent', scope: 'agent', agent_name: 'bounded-too', ...ofCarol },
    });
    await app.call('PATCH', `/api/v1/agents/${json.agent_id}`, { body: { labels: requires } });
    expect(await dequeue(json.token)).toEqual([]);
    const waiting = dequeue(json.token, 20);
    const next = await make({ requires, repository: 'main:carol/y' });
    expect(idsOf(await waiting)).toEqual([next.id]);
  });

  it('is told of by explain, also where it is named', async () => {
    const ofNobody = { repositories: ['main:nobody/*'] };
    const register = await tokenFor('register', ofNobody);
    const body = { name: 'named', labels: ['named'] };
    const { agent_id, token } = (await app.call('POST', '/api/v1/agents/register', { token: register, body })).json;
    const made = await make({ repository: 'main:bob/x', agent_id });
    expect(await dequeue(token)).toEqual([]);
    const { agents } = (await app.call('GET', `/api/v1/tasks/${made.id}/explain`)).json;
    const verdict = agents.find((one: { agent_id: string }) => one.agent_id === agent_id);
    expect(verdict).toMatchObject({ takeable: false, reasons: [{ code: 'policy' }] });
    expect(verdict.reasons[0].message).toBe('named is for tasks of other repositories or labels only.');
  });

  it('is told of no task of others that one of its own waited for', async () => {
    const requires = ['dependant'];
    const hers = await make({ repository: 'main:bob/secret' });
    const ours = await make({ repository: 'main:carol/x' });
    const mine = await make({
      ...{ requires, repository: 'main:carol/x' },
      ...{ depends_on: [hers.id, ours.id], on_dependency_failure: 'run' },
    });
    for (const { id } of [hers, ours]) await app.call('POST', `/api/v1/tasks/${id}/cancel`, { body: {} });
    while ((await tellDependants(app.deps)) > 0);
    const register = await tokenFor('register', ofCarol);
    const body = { name: 'dependants', labels: requires };
    const { token } = (await app.call('POST', '/api/v1/agents/register', { token: register, body })).json;

    const call = { token, body: { request_id: 'twice' } };
    for (const time of ['first', 'again']) {
      const { status, json, text } = await app.call('POST', '/api/v1/tasks/dequeue', call);
      expect([time, status, json.tasks[0].id, json.tasks[0].depends_on]).toEqual([time, 200, mine.id, [ours.id]]);
      expect(text).not.toContain(hers.id);
    }
    const { attempt } = (await app.call('POST', '/api/v1/tasks/dequeue', call)).json.tasks[0];
    for (const as of [attempt.token, token]) {
      const started = await app.call('POST', `/api/v1/attempts/${attempt.id}/start`, { token: as, body: {} });
      expect([started.status, started.json.depends_on]).toEqual([200, [ours.id]]);
    }
    for (const path of ['', '/events', '/explain']) {
      const { status, text } = await app.call('GET', `/api/v1/tasks/${mine.id}${path}`, { token });
      expect([path, status, text.includes(hers.id)]).toEqual([path, 200, false]);
    }
  });

  it('of which a look at what it may know of fails has its tasks handed back at once', async () => {
    const requires = ['not-looked-at'];
    const hers = await make({ repository: 'main:bob/secret' });
    const mine = await make({
      ...{ requires, repository: 'main:carol/x' },
      ...{ depends_on: [hers.id], on_dependency_failure: 'run' },
    });
    await app.call('POST', `/api/v1/tasks/${hers.id}/cancel`, { body: {} });
    while ((await tellDependants(app.deps)) > 0);
    const register = await tokenFor('register', ofCarol);
    const body = { name: 'not-looked-at', labels: requires };
    const { token } = (await app.call('POST', '/api/v1/agents/register', { token: register, body })).json;

    const { db } = app.deps;
    const reads = vi.spyOn(db, 'selectFrom').mockImplementationOnce(() => {
      throw new Error('the database is too busy');
    });
    onTestFinished(() => reads.mockRestore());
    expect((await app.call('POST', '/api/v1/tasks/dequeue', { token, body: {} })).status).toBe(500);
    await waitFor(async () => (await app.call('GET', `/api/v1/tasks/${mine.id}`)).json.status === 'pending');
    const again = (await app.call('POST', '/api/v1/tasks/dequeue', { token, body: {} })).json;
    expect(again.tasks[0]).toMatchObject({ id: mine.id, infra_retries: 0, attempt: { number: 2 } });
  });
});

describe('the networks of an agent', () => {
  it('are those from where its token, and those of its attempts, may be used', async () => {
    const proxied = await startTestApp({ trustedProxies: ['127.0.0.0/8'] });
    try {
      const agent = await proxied.agent('bound-to-a-network');
      await proxied.call('POST', '/api/v1/tasks', { body: { title: 't', command: ['true'] } });
      const from = (address: string, token: string, path = '/api/v1/tasks/dequeue') =>
        proxied.call('POST', path, { token, body: {}, headers: { 'X-Forwarded-For': address } });
      const { json } = await from('192.0.2.7', agent.token);
      const { id, token } = json.tasks[0].attempt;
      const patch = (allowed_networks: string[]) =>
        proxied.call('PATCH', `/api/v1/agents/${agent.id}`, { body: { allowed_networks } });
      expect((await patch(['192.0.2.0/24', '2001:db8::/32'])).json.allowed_networks).toEqual([
        '192.0.2.0/24',
        '2001:db8::/32',
      ]);
      const renew = `/api/v1/attempts/${id}/renew`;
      for (const good of ['192.0.2.7', '2001:db8::1']) {
        expect((await from(good, agent.token)).status).toBe(204);
        expect((await from(good, token, renew)).status).toBe(200);
      }
      for (const [bad, path] of [
        [agent.token, '/api/v1/tasks/dequeue'],
        [token, renew],
      ] as const) {
        const refused = await from('203.0.113.9', bad, path);
        expect([refused.status, refused.json.code]).toEqual([403, 'address_not_allowed']);
      }
      await waitFor(async () => {
        const { items } = (await proxied.call('GET', '/api/v1/audit')).json;
        return items.some(
          ({ type, data }: { type: string; data: { address?: string; code?: string } }) =>
            type === 'login_refused' && data.code === 'address_not_allowed' && data.address === '203.0.113.9',
        );
      });
      await patch([]);
      expect((await from('203.0.113.9', agent.token)).status).toBe(204);
      expect((await patch(['10.0.0.0/33'])).json.code).toBe('invalid');
    } finally {
      await proxied.stop();
    }
  });

  it('keep its token from being a sign of life elsewhere', async () => {
    const { json } = await app.call('POST', '/api/v1/tokens', {
      body: { name: 'x', scope: 'agent', agent_name: 'asleep' },
    });
    await app.call('PATCH', `/api/v1/agents/${json.agent_id}`, { body: { allowed_networks: ['192.0.2.1'] } });
    expect((await app.call('POST', '/api/v1/tasks/dequeue', { token: json.token })).status).toBe(403);
    const shown = (await app.call('GET', `/api/v1/agents/${json.agent_id}`)).json;
    expect(shown).toMatchObject({ online: false, last_seen_at: null });
  });
});
