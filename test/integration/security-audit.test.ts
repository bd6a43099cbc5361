import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/domain/canonical-json.ts';
import { noteHostState } from '../../src/usecases/hosts/host-state.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { noteAct } from '../../src/usecases/record-act.ts';
import { prune } from '../../src/usecases/upkeep/prune.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { breachesOf } from '../support/examine.ts';
import { waitFor } from '../support/wait-for.ts';

type Act = {
  day: string;
  n: number;
  type: string;
  actor: { kind: string; id: string; scope: string | null };
  data: Record<string, unknown>;
  previous_hash: string | null;
  hash: string;
};

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const acts = async (query = 'limit=200'): Promise<Act[]> =>
  (await app.call('GET', `/api/v1/audit?${query}`)).json.items;

describe('the record of acts', () => {
  it('holds who made, changed and ended tokens and agents, and no secret', async () => {
    const made = (await app.call('POST', '/api/v1/tokens', { body: { name: 'by hand', scope: 'admin' } })).json;
    const byMade = { token: made.token };
    const body = { name: 'worker', labels: ['x'] };
    const agent = (await app.call('POST', '/api/v1/agents/register', { ...byMade, body })).json;
    const patch = { cordoned: true, cordon_reason: 'repair', allowed_networks: ['127.0.0.0/8'] };
    await app.call('PATCH', `/api/v1/agents/${agent.agent_id}`, { ...byMade, body: patch });
    await app.call('DELETE', '/api/v1/agents/me', { token: agent.token });
    await app.call('DELETE', `/api/v1/tokens/${made.id}`, {});

    const found = (await acts()).toReversed();
    const by = { kind: 'coordinator', id: made.id, scope: 'admin' };
    expect(found.slice(-5)).toMatchObject([
      { type: 'token_created', actor: { id: 'TASKEJO_ADMIN_TOKEN' }, data: { token_id: made.id, scope: 'admin' } },
      { type: 'agent_registered', actor: by, data: { agent_id: agent.agent_id, name: 'worker', labels: ['x'] } },
      { type: 'agent_changed', actor: by, data: { cordoned: true, allowed_networks: ['127.0.0.0/8'] } },
      { type: 'agent_deleted', actor: { kind: 'agent', id: agent.agent_id, scope: 'agent' }, data: { name: 'worker' } },
      { type: 'token_revoked', actor: { id: 'TASKEJO_ADMIN_TOKEN' }, data: { token_id: made.id } },
    ]);
    const { rows } = await sql<{ text: string }>`select text from audit`.execute(app.database.db);
    const stored = rows.map(({ text }) => text).join();
    for (const secret of [made.token, agent.token]) expect(stored).not.toContain(secret);
  });

  it('tells of who was not let in, once a minute for an address', async () => {
    for (let n = 0; n < 3; n++) await app.call('GET', '/api/v1/tasks', { token: `tkj_viewer_${'x'.repeat(49)}` });
    const refused = await waitFor(async () => {
      const found = (await acts()).filter(({ type }) => type === 'login_refused');
      return found.length > 0 && found;
    });
    expect(refused).toMatchObject([{ data: { address: '127.0.0.1', code: 'unauthenticated' } }]);
  });

  it('is a chain that anybody can check, whoever writes at the same time', async () => {
    const act = { type: 'configuration_loaded', actor: { kind: 'server', id: 's', scope: null }, data: { file: 'ä' } };
    await Promise.all(Array.from({ length: 20 }, () => noteAct(app.deps, act as Parameters<typeof noteAct>[1])));
    const found = (await acts()).toReversed();
    const byDay = Map.groupBy(found, ({ day }) => day);
    for (const [day, ofDay] of byDay) {
      let previous: string | null = null;
      for (const [index, { hash, previous_hash, ...text }] of ofDay.entries()) {
        expect([day, text.n, previous_hash]).toEqual([day, index + 1, previous]);
        expect(
          createHash('sha256')
            .update(`${previous ?? ''}${canonicalJson(text as never)}`)
            .digest('hex'),
        ).toBe(hash);
        previous = hash;
      }
    }
    expect(found.length).toBeGreaterThan(20);
  });

  it('is for admins, and comes in pages', async () => {
    for (const scope of ['coordinator', 'viewer', 'register'] as const) {
      expect((await app.call('GET', '/api/v1/audit', { token: await app.token(scope) })).status).toBe(403);
    }
    const all = await acts();
    const first = (await app.call('GET', '/api/v1/audit?limit=3')).json;
    const second = (await app.call('GET', `/api/v1/audit?limit=3&cursor=${first.next_cursor}`)).json;
    expect([...first.items, ...second.items]).toEqual(all.slice(0, 6));
    const wrong = Buffer.from(JSON.stringify(['audit', '2026-02-31', '4'])).toString('base64url');
    expect((await app.call('GET', `/api/v1/audit?cursor=${wrong}`)).status).toBe(422);
  });

  it('can not be changed, and loses whole days when they are old enough', async () => {
    const { db } = app.database;
    await expect(sql`update audit set text = ''`.execute(db)).rejects.toThrow('is refused');
    await expect(sql`delete from audit`.execute(db)).rejects.toThrow('is refused');
    await expect(sql`truncate audit`.execute(db)).rejects.toThrow('is refused');
    for (const [day, n] of [
      ['2020-01-01', 1],
      ['2020-01-01', 2],
      ['2020-03-01', 1],
    ] as const)
      await sql`insert into audit (day, n, text, hash) values (${day}, ${n}, '{}', 'x')`.execute(db);
    const kept = (await acts()).filter(({ day }) => day !== undefined).length;
    const { acts: pruned } = await prune(app.deps, new AbortController().signal);
    expect(pruned).toBe(3);
    expect(await acts()).toHaveLength(kept);
  });
});

describe('what happened outside of the database', () => {
  it('is written down: a host that begins to show another key, once', async () => {
    await syncHosts(app.deps, [{ id: 'gpu-1', labels: [], capacity: 1 }]);
    const changed = { online: false, code: 'host_key', message: 'it shows SHA256:x' } as const;
    await noteHostState(app.deps, 'gpu-1', { online: false, code: 'unreachable', message: 'away' });
    for (const state of [changed, changed, { online: true } as const, changed]) {
      await noteHostState(app.deps, 'gpu-1', state);
    }
    const found = (await acts()).filter(({ type }) => type === 'host_key_changed');
    expect(found.map(({ data }) => data)).toEqual(
      Array.from({ length: 2 }, () => ({ agent_id: 'gpu-1', message: 'it shows SHA256:x' })),
    );
  });

  it('is found healthy by the doctor, and an edited act is not', async () => {
    const { db } = app.database;
    const ofAudit = async () => (await breachesOf(db)).filter(({ code }) => code === 'audit_broken');
    expect(await ofAudit()).toEqual([]);
    await sql`alter table audit disable trigger audit_is_kept`.execute(db);
    await sql`update audit set text = replace(text, 'worker', 'nobody') where n = 2`.execute(db);
    expect(await ofAudit()).toMatchObject([{ detail: expect.stringContaining('the hash of act 2 of') }]);
  });
});
