import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createdToken, token as tokenShape } from '../../src/contract/token.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { ADMIN_TOKEN, startTestApp, type TestApp } from '../support/app.ts';
import { waitFor } from '../support/wait-for.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const make = (body: object) => app.call('POST', '/api/v1/tokens', { body });
const listed = async () => (await app.call('GET', '/api/v1/tokens?limit=200')).json.items;
const tasksWith = async (token: string) => (await app.call('GET', '/api/v1/tasks', { token })).status;

describe('a token', () => {
  it('is shown once, and only its hash is kept', async () => {
    const answer = await make({ name: 'reader', scope: 'viewer' });
    expect(answer.status).toBe(201);
    const { token, ...rest } = z.strictObject(createdToken.shape).parse(answer.json);
    expect(token).toMatch(/^tkj_viewer_/);
    const shown = (await listed()).find((one: { id: string }) => one.id === rest.id);
    expect(z.strictObject(tokenShape.shape).parse(shown)).toEqual(rest);
    const { rows } = await sql<{ text: string }>`select tokens::text as text from tokens`.execute(app.database.db);
    expect(rows.map(({ text }) => text).join()).not.toContain(token);
  });

  it('notes when it was used', async () => {
    const { json } = await make({ name: 'used', scope: 'viewer' });
    expect(json.last_used_at).toBeNull();
    await tasksWith(json.token);
    const shown = (await listed()).find((one: { id: string }) => one.id === json.id);
    expect(Date.parse(shown.last_used_at)).toBeGreaterThan(Date.now() - 60_000);
  });

  it('that is revoked is refused at once, and is listed no more', async () => {
    const { json } = await make({ name: 'gone', scope: 'viewer' });
    expect(await tasksWith(json.token)).toBe(200);
    expect((await app.call('DELETE', `/api/v1/tokens/${json.id}`)).status).toBe(204);
    expect(await tasksWith(json.token)).toBe(401);
    expect((await listed()).some((one: { id: string }) => one.id === json.id)).toBe(false);
    expect((await app.call('DELETE', `/api/v1/tokens/${json.id}`)).status).toBe(404);
  });

  it('that has expired is refused', async () => {
    const { json } = await make({ name: 'short', scope: 'viewer', expires_in_seconds: 3600 });
    expect(Date.parse(json.expires_at)).toBeGreaterThan(Date.now() + 3_500_000);
    expect(await tasksWith(json.token)).toBe(200);
    await app.database.db.updateTable('tokens').set({ expires_at: sql`now()` }).where('id', '=', json.id).execute();
    // A good token may be remembered for a second.
    await waitFor(async () => (await tasksWith(json.token)) === 401);
  });

  it('of scope agent makes the agent that it is for, which is online when it calls', async () => {
    const { json } = await make({ name: 'for a curl agent', scope: 'agent', agent_name: 'curl' });
    const agent = () => app.call('GET', `/api/v1/agents/${json.agent_id}`);
    expect((await agent()).json).toMatchObject({ name: 'curl', online: false, execution_mode: 'http_pull' });
    expect((await app.call('POST', '/api/v1/tasks/dequeue', { token: json.token })).status).toBe(204);
    expect((await agent()).json.online).toBe(true);
    const again = await make({ name: 'x', scope: 'agent', agent_name: 'curl' });
    expect(again.json.code).toBe('name_taken');
  });

  it('is listed newest first in pages', async () => {
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c']) ids.push((await make({ name, scope: 'viewer' })).json.id);
    const first = (await app.call('GET', '/api/v1/tokens?limit=2')).json;
    const second = (await app.call('GET', `/api/v1/tokens?limit=1&cursor=${first.next_cursor}`)).json;
    expect([...first.items, ...second.items].map((one: { id: string }) => one.id)).toEqual(ids.toReversed());
  });
});

describe('the token of an attempt', () => {
  it('may complete again for ten minutes after its end, and is refused after them', async () => {
    const agent = await app.agent('ten-minutes');
    await app.call('POST', '/api/v1/tasks', { body: { title: 't', command: ['true'] } });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token });
    const { id, token } = json.tasks[0].attempt;
    const complete = async () =>
      (await app.call('POST', `/api/v1/attempts/${id}/complete`, { token, body: { outcome: 'completed' } })).status;
    expect(await complete()).toBe(200);
    const endedAgo = (minutes: number) =>
      sql`update attempts set finished_at = now() - make_interval(mins => ${minutes}) where id = ${id}`.execute(
        app.database.db,
      );
    await endedAgo(9);
    expect(await complete()).toBe(200);
    await endedAgo(10);
    await waitFor(async () => (await complete()) === 401);
  });
});

describe('bad tokens', () => {
  let strict: TestApp;
  beforeAll(async () => {
    strict = await startTestApp({ badTokensPerMinute: 3, trustedProxies: ['127.0.0.0/8'] });
  });
  afterAll(() => strict.stop());
  const ask = (token: string | null, from = '192.0.2.1') =>
    strict.call('GET', '/api/v1/tasks', { token, headers: { 'X-Forwarded-For': from } });

  it('are refused more shortly after too many from one address; a good one from there is not', async () => {
    for (let n = 0; n < 3; n++) expect((await ask('bad')).status).toBe(401);
    const limited = await ask('bad');
    expect([limited.status, limited.json.code]).toEqual([429, 'rate_limited']);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask(ADMIN_TOKEN)).status).toBe(200);
    expect((await ask('bad', '192.0.2.2')).status).toBe(401);
  });

  it('are counted for who sent them, not for whom the sender names', async () => {
    for (let n = 0; n < 3; n++) await ask('bad', `203.0.113.${n}, 192.0.2.9`);
    expect((await ask('bad', '203.0.113.77, 192.0.2.9')).status).toBe(429);
  });

  it('are not counted where there is none', async () => {
    for (let n = 0; n < 5; n++) expect((await ask(null, '192.0.2.3')).status).toBe(401);
    expect((await ask('bad', '192.0.2.3')).status).toBe(401);
  });
});

describe('a fault of the server', () => {
  it('is answered 500 without what it was, and logged once with it', async () => {
    const broken = await startTestApp();
    await sql`drop table deliveries cascade`.execute(broken.database.db);
    const { status, text, json } = await broken.call('GET', '/api/v1/deliveries');
    expect([status, json.code]).toEqual([500, 'internal']);
    expect(text).not.toContain('relation');
    const errors = broken.logged.filter(({ level }) => level === 'error');
    expect(errors).toMatchObject([{ fields: { requestId: json.request_id, path: '/api/v1/deliveries' } }]);
    await broken.stop();
  });
});

describe('a database that is away', () => {
  it('is answered 503 with when to try again, and logged once for each request', async () => {
    const lonely = await startTestApp();
    const nowhere = openDatabase({ connectionString: 'postgres://nobody@127.0.0.1:1/nothing' });
    lonely.deps.db = nowhere.db;
    const { status, json, headers } = await lonely.call('GET', '/api/v1/tasks');
    expect([status, json.code]).toEqual([503, 'unavailable']);
    expect(headers.get('retry-after')).toBe('2');
    expect(lonely.logged.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect((await lonely.call('GET', '/readyz')).status).toBe(503);
    expect((await lonely.call('GET', '/healthz')).status).toBe(200);
    await nowhere.close();
    await lonely.stop();
  });

  it('is what a statement finds that waits too long for a lock', async () => {
    const { id } = await app.agent('locked');
    const patched = await app.database.db.transaction().execute(async (trx) => {
      await sql`set local idle_in_transaction_session_timeout = '30s'`.execute(trx);
      await trx.selectFrom('agents').select('id').where('id', '=', id).forUpdate().execute();
      return app.call('PATCH', `/api/v1/agents/${id}`, { body: { capacity: 2 } });
    });
    expect([patched.status, patched.json.code]).toEqual([503, 'unavailable']);
  });
});
