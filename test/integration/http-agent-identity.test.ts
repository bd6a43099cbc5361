import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KeyPair, newKeyPair, signingKey, signToken } from '../../src/domain/signed-token.ts';
import { judgeAgents } from '../../src/usecases/attempt/judge-agent.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { type Call, startTestApp, type TestApp } from '../support/app.ts';
import { requireProgram } from '../support/require.ts';
import { temporaryFolder } from '../support/temporary.ts';

let app: TestApp;
let installationId = '';
let named = 0;
beforeAll(async () => {
  app = await startTestApp();
  installationId = (await app.call('GET', '/healthz')).json.installation_id;
});
afterAll(() => app.stop());

const now = () => Math.floor(Date.now() / 1000);
function signed(keys: KeyPair, sub: string, changed: object = {}): string {
  const claims = { sub, aud: installationId, iat: now(), exp: now() + 300, jti: randomUUID(), ...changed };
  return signToken(claims, signingKey(keys));
}
const register = (name: string, keys: KeyPair | null, more: object = {}, call: Call = {}) =>
  app.call('POST', '/api/v1/agents/register', {
    ...call,
    body: { name, ...(keys && { public_key: keys.publicKey }), ...more },
  });
const proven = (name: string, keys: KeyPair): Call => ({ headers: { 'Taskejo-Proof': signed(keys, name) } });
const ask = (token: string, on = app, headers: Record<string, string> = {}) =>
  on.call('POST', '/api/v1/tasks/dequeue', { token, headers });
const patch = (id: string, body: object) => app.call('PATCH', `/api/v1/agents/${id}`, { body });

async function keyed() {
  const keys = newKeyPair();
  const name = `keyed-${++named}`;
  const { agent_id: id, token } = (await register(name, keys)).json as { agent_id: string; token: string };
  return { id, keys, name, token };
}

describe('a token that an agent has signed', () => {
  it("is the agent's, beside the plain one", async () => {
    const { id, keys, token } = await keyed();
    expect((await ask(signed(keys, id))).status).toBe(204);
    expect((await ask(token)).status).toBe(204);
  });

  it('may be made by another program, as the documentation says', async (context) => {
    requireProgram('openssl', context);
    const page = readFileSync(new URL('../../docs/agent-protocol.md', import.meta.url), 'utf8');
    const script = /^```bash\n(.*?)^```$/ms.exec(page)?.[1] ?? '';
    const cwd = temporaryFolder();
    const shell = (words: string) =>
      execFileSync('sh', ['-euc', `${script}\n${words}`, 'sh'], { cwd, encoding: 'utf8' }).trim();
    const publicKey = shell('echo "$public_key"');
    const { agent_id: id } = (await register('by-openssl', null, { public_key: publicKey })).json;
    expect((await ask(shell(`sign ${id} ${installationId}`))).status).toBe(204);
    const headers = { 'Taskejo-Proof': shell(`sign by-openssl ${installationId}`) };
    expect((await register('by-openssl', null, {}, { headers })).json.agent_id).toBe(id);
  });

  it('is a sign of life', async () => {
    const { id, keys } = await keyed();
    await sql`update agents set online = false where id = ${id}`.execute(app.database.db);
    await ask(signed(keys, id));
    expect((await app.call('GET', `/api/v1/agents/${id}`)).json.state).toBe('online');
  });

  it('is refused where it is for another installation, of another time, too long, or of another key', async () => {
    const { id, keys } = await keyed();
    const bad = [
      signed(keys, id, { aud: randomUUID() }),
      signed(keys, id, { iat: now() - 600, exp: now() - 300 }),
      signed(keys, id, { iat: now() + 3_600, exp: now() + 3_900 }),
      signed(keys, id, { exp: now() + 3_600 }),
      signed(newKeyPair(), id),
      signed(keys, 'somebody'),
      signed(keys, (await keyed()).id),
      signed(keys, id).replace(/\.[^.]+$/, `.${'A'.repeat(86)}`),
    ];
    const answers = await Promise.all(bad.map((token) => ask(token)));
    expect(answers.map(({ status, json }) => `${status} ${json.code}`)).toEqual(bad.map(() => '401 unauthenticated'));
    expect(answers[0]?.headers.get('date')).not.toBeNull();
  });

  it('is refused for an agent without a key', async () => {
    const { agent_id: id } = (await register('plain', null)).json;
    expect((await ask(signed(newKeyPair(), id))).status).toBe(401);
  });

  it('ends with the agent, on another replica too', async () => {
    const beside = await startTestApp({ beside: app });
    try {
      const { id, keys } = await keyed();
      const token = signed(keys, id);
      expect([(await ask(token)).status, (await ask(token, beside)).status]).toEqual([204, 204]);
      await app.call('DELETE', `/api/v1/agents/${id}`);
      expect([(await ask(token)).status, (await ask(signed(keys, id))).status]).toEqual([401, 401]);
      await expect.poll(async () => (await ask(token, beside)).status).toBe(401);
    } finally {
      await beside.stop();
    }
  });

  it('is looked up again after a moment, whatever was heard', async () => {
    const { id, keys } = await keyed();
    const token = signed(keys, id);
    expect((await ask(token)).status).toBe(204);
    // Nobody says so aloud.
    await app.database.db.updateTable('agents').set({ public_key: null }).where('id', '=', id).execute();
    await expect.poll(async () => (await ask(token)).status).toBe(401);
  });

  it('expires, remembered or not', async () => {
    let nowMs = Date.now();
    const clocked = await startTestApp({ beside: app, clockMs: () => nowMs });
    try {
      const { id, keys } = await keyed();
      const iat = Math.floor(nowMs / 1000);
      const token = signed(keys, id, { iat, exp: iat + 300 });
      nowMs += 299_000;
      expect((await ask(token, clocked)).status).toBe(204);
      nowMs += 3_000;
      await expect.poll(async () => (await ask(token, clocked)).status).toBe(401);
    } finally {
      await clocked.stop();
    }
  });

  it('is good from the allowed networks only', async () => {
    const { id, keys } = await keyed();
    const token = signed(keys, id);
    expect((await ask(token)).status).toBe(204);
    await patch(id, { allowed_networks: ['192.0.2.0/24'] });
    await sql`update agents set online = false where id = ${id}`.execute(app.database.db);
    expect((await ask(token)).json.code).toBe('address_not_allowed');
    expect((await ask(signed(keys, id))).json.code).toBe('address_not_allowed');
    expect((await app.call('GET', `/api/v1/agents/${id}`)).json.state).toBe('offline');
    await patch(id, { allowed_networks: [] });
    expect((await ask(token)).status).toBe(204);
  });
});

describe('registering again', () => {
  it('by the key is the same agent, as it says now, with another token; the old one lives ten minutes more', async () => {
    const { id, keys, name, token } = await keyed();
    const again = await register(name, keys, { labels: ['gpu'], capacity: 7, version: '2' }, proven(name, keys));
    expect(again.status).toBe(200);
    expect(again.json.agent_id).toBe(id);
    const { json } = await app.call('GET', `/api/v1/agents/${id}`);
    expect(json).toMatchObject({ labels: ['gpu'], capacity: 7, version: '2', state: 'online' });
    expect([(await ask(again.json.token)).status, (await ask(token)).status]).toEqual([204, 204]);
    const { rows } = await sql<{ minutes: number | null }>`
      select round(extract(epoch from expires_at - now()) / 60)::int as minutes from tokens
      where agent_id = ${id} order by created_at`.execute(app.database.db);
    expect(rows.map(({ minutes }) => minutes)).toEqual([10, null]);
  });

  it('may bring another key, which is the one from then on', async () => {
    const { id, keys, name } = await keyed();
    const next = newKeyPair();
    expect((await register(name, next, {}, proven(name, keys))).status).toBe(200);
    expect([(await ask(signed(next, id))).status, (await ask(signed(keys, id))).status]).toEqual([204, 401]);
  });

  it('without the key, or by a proof that is none, is refused and changes nothing', async () => {
    const { id, keys, name, token } = await keyed();
    const other = newKeyPair();
    const old = signToken({ sub: name, aud: installationId, iat: 1, exp: 301, jti: 'j' }, signingKey(keys));
    for (const call of [
      {},
      proven(name, other),
      proven(id, keys),
      { headers: { 'Taskejo-Proof': old } },
      { headers: { 'Taskejo-Proof': 'x' } },
    ]) {
      const answer = await register(name, other, { labels: ['mine'] }, call);
      expect(`${answer.status} ${answer.json.code}`).toBe('409 name_taken');
    }
    expect((await app.call('GET', `/api/v1/agents/${id}`)).json.labels).toEqual([]);
    expect([(await ask(token)).status, (await ask(signed(other, id))).status]).toEqual([204, 401]);
  });

  it("under a host's name is refused", async () => {
    const keys = newKeyPair();
    await syncHosts(app.deps, [{ id: 'h', labels: [], capacity: 1 }]);
    expect((await register('h', keys, {}, proven('h', keys))).json.code).toBe('name_taken');
  });

  it('makes it be for the tasks that the token of this registration is for, more or fewer', async () => {
    const keys = newKeyPair();
    const tokenFor = async (repository: string) => {
      const body = { name: 'r', scope: 'register', repositories: [repository] };
      return (await app.call('POST', '/api/v1/tokens', { body })).json.token as string;
    };
    const [narrow, other] = [await tokenFor('main:dora/*'), await tokenFor('main:emil/*')];
    const requires = ['for-dora-or-emil'];
    const again = (call: Call) =>
      register('of-dora', keys, { labels: requires }, { ...proven('of-dora', keys), ...call });
    const taken = async () => {
      const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: signed(keys, id), body: {} });
      return (json?.tasks ?? []).map(({ repository }: { repository: string }) => repository);
    };
    const { agent_id: id } = (await again({ token: narrow })).json;
    for (const repository of ['main:emil/x', 'main:emil/x', 'main:frida/x']) {
      await app.call('POST', '/api/v1/tasks', { body: { title: 't', command: ['true'], requires, repository } });
    }
    expect(await taken()).toEqual([]);
    await again({ token: other });
    expect(await taken()).toEqual(['main:emil/x']);
    await again({});
    expect([await taken(), await taken()]).toEqual([['main:emil/x'], ['main:frida/x']]);
    await again({ token: narrow });
    expect(await taken()).toEqual([]);
  });

  it('twice at once makes one agent', async () => {
    const keys = newKeyPair();
    const both = await Promise.all([1, 2].map(() => register('twice', keys, {}, proven('twice', keys))));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 201]);
    expect(new Set(both.map(({ json }) => json.agent_id)).size).toBe(1);
  });

  it.each(['', 'x', `${newKeyPair().publicKey}=`])('by what is no key is refused: %j', async (publicKey) => {
    const answer = await register('no-key', null, { public_key: publicKey });
    expect(answer.json.errors).toEqual([expect.objectContaining({ field: 'public_key' })]);
  });
});

describe('of one agent', () => {
  const from = async (token: string, instance: string) =>
    (await ask(token, app, { 'Taskejo-Instance': instance })).status;
  const silent = (id: string, seconds: number) =>
    sql`update agents set instance_seen_at = instance_seen_at - make_interval(secs => ${seconds})
      where id = ${id}`.execute(app.database.db);

  it('a later start of the same store takes over at once, and the earlier one is refused', async () => {
    const { token } = await app.agent('restarted');
    expect(await from(token, 's/1/a')).toBe(204);
    expect(await from(token, 's/2/b')).toBe(204);
    expect(await from(token, 's/1/a')).toBe(409);
    expect(await from(token, 's/2/b')).toBe(204);
  });

  it('a copy is refused: another store, another process of the same start', async () => {
    const { token } = await app.agent('copied');
    expect(await from(token, 's/5/a')).toBe(204);
    expect(await from(token, 't/9/b')).toBe(409);
    expect(await from(token, 's/5/b')).toBe(409);
    const { json } = await ask(token, app, { 'Taskejo-Instance': 't/9/b' });
    expect(json.code).toBe('instance_conflict');
  });

  it('another one is let in once the first was not heard from for three beats', async () => {
    const { id, token } = await app.agent('moved');
    expect(await from(token, 's/5/a')).toBe(204);
    await silent(id, 10);
    expect(await from(token, 't/1/b')).toBe(409);
    await silent(id, 21);
    expect(await from(token, 't/1/b')).toBe(204);
    await expect.poll(() => from(token, 's/5/a')).toBe(409);
  });

  it('one is let in when two come at once', async () => {
    const { token } = await app.agent('raced');
    const both = await Promise.all([from(token, 's/1/a'), from(token, 't/1/b')]);
    expect(both.sort()).toEqual([204, 409]);
  });

  it('a program that says nothing of it is not asked', async () => {
    const { token } = await app.agent('simple');
    expect(await from(token, 's/1/a')).toBe(204);
    expect((await ask(token)).status).toBe(204);
    expect(await from(token, 'nonsense')).toBe(400);
  });

  it('a new start lets one back that was isolated', async () => {
    const { id, token } = await app.agent('isolated');
    expect(await from(token, 's/1/a')).toBe(204);
    const lost = { agentId: id, outcome: 'lost', failureClass: null, ownFailure: false, error: null } as const;
    for (let n = 0; n < 3; n++) await judgeAgents(app.deps, [{ ...lost, taskId: randomUUID() }]);
    const state = async () => (await app.call('GET', `/api/v1/agents/${id}`)).json.state;
    expect(await from(token, 's/1/a')).toBe(204);
    expect(await state()).toBe('cordoned');
    expect(await from(token, 's/2/b')).toBe(204);
    expect(await state()).toBe('online');
  });
});
