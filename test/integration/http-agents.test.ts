import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { agent as agentShape, registered } from '../../src/contract/agent.ts';
import { BY_THE_SERVER } from '../../src/domain/audit.ts';
import { lockAgentToDelete } from '../../src/store/agents.ts';
import { retire } from '../../src/usecases/agents/delete-agent.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { somebodyWaits } from '../support/locks.ts';
import { quickestMs } from '../support/quick-enough.ts';
import { waitFor } from '../support/wait-for.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const register = (name: string, more: object = {}) =>
  app.call('POST', '/api/v1/agents/register', { body: { name, ...more } });
const show = (id: string) => app.call('GET', `/api/v1/agents/${id}`);
const create = async (body: object) =>
  (await app.call('POST', '/api/v1/tasks', { body: { title: 't', command: ['true'], ...body } })).json;

describe('registering', () => {
  it('makes an agent that is online, and its token', async () => {
    const answer = await register('reg-1', { labels: ['linux'], capacity: 2, version: '1.0' });
    expect(answer.status).toBe(201);
    const { agent_id, token, heartbeat_seconds } = z.strictObject(registered.shape).parse(answer.json);
    expect(heartbeat_seconds).toBe(10);
    const { json } = await show(agent_id);
    z.strictObject(agentShape.shape).parse(json);
    expect(json).toMatchObject({
      name: 'reg-1',
      execution_mode: 'http_pull',
      state: 'online',
      labels: ['linux'],
      capacity: 2,
      running: 0,
      version: '1.0',
    });
    expect((await app.call('POST', '/api/v1/tasks/dequeue', { token })).status).toBe(204);
  });

  it('under a name that is taken is refused, also when two come at once, and also if a host has it', async () => {
    const both = await Promise.all([register('twins'), register('twins')]);
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect((await register('twins')).json.code).toBe('name_taken');
    await syncHosts(app.deps, [{ id: 'a-host', labels: [], capacity: 1 }]);
    expect((await register('a-host')).json.code).toBe('name_taken');
    await syncHosts(app.deps, []);
    expect((await register('a-host')).status).toBe(201);
  });

  it('is done within a second', async () => {
    expect(await quickestMs(1_000, (n) => register(`swift-${n}`))).toBeLessThan(1_000);
  });
});

describe('changing an agent', () => {
  it('takes labels, capacity, drain and a reason to cordon it; let back it has no reason', async () => {
    const { id } = await app.agent('patched');
    const patch = async (body: object) => (await app.call('PATCH', `/api/v1/agents/${id}`, { body })).json;
    expect(await patch({ labels: ['gpu'], capacity: 9, draining: true })).toMatchObject({
      labels: ['gpu'],
      capacity: 9,
      draining: true,
    });
    const cordoned = { state: 'cordoned', cordon_reason: 'new disk' };
    expect(await patch({ cordoned: true, cordon_reason: 'new disk' })).toMatchObject(cordoned);
    expect(await patch({ draining: false })).toMatchObject({ ...cordoned, draining: false });
    expect(await patch({ cordoned: false })).toMatchObject({ state: 'online', cordon_reason: null });
  });

  it('that is cordoned or drains gives it nothing until it is let back', async () => {
    const agent = await app.agent('held-back', ['held-back']);
    const dequeue = () => app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token });
    const patch = (body: object) => app.call('PATCH', `/api/v1/agents/${agent.id}`, { body });
    await create({ requires: ['held-back'] });
    await patch({ cordoned: true });
    expect((await dequeue()).status).toBe(204);
    await patch({ cordoned: false, draining: true });
    expect((await dequeue()).status).toBe(204);
    await patch({ draining: false });
    expect((await dequeue()).status).toBe(200);
  });

  it('leaves what the configuration file says of a host to the file', async () => {
    await syncHosts(app.deps, [{ id: 'file-host', labels: ['linux'], capacity: 2 }]);
    const patch = (body: object) => app.call('PATCH', '/api/v1/agents/file-host', { body });
    expect((await patch({ capacity: 5 })).json.code).toBe('configured_in_file');
    expect((await app.call('DELETE', '/api/v1/agents/file-host')).json.code).toBe('configured_in_file');
    expect((await patch({ cordoned: true, cordon_reason: 'x' })).json.state).toBe('cordoned');
  });
});

describe('deleting an agent', () => {
  it('ends its credential and frees its name; tasks that name it name nobody', async () => {
    const agent = await app.agent('deleted');
    const made = await create({ agent_id: agent.id, execution_mode: 'undecided', requires: ['deleted'] });
    expect((await app.call('DELETE', `/api/v1/agents/${agent.id}`)).status).toBe(204);
    expect((await show(agent.id)).status).toBe(404);
    expect((await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token })).status).toBe(401);
    expect((await app.call('GET', `/api/v1/tasks/${made.id}`)).json).toMatchObject({
      named_agent_id: null,
      assigned_agent_id: null,
      execution_mode: 'undecided',
    });
    expect((await register('deleted')).status).toBe(201);
    expect((await app.call('DELETE', `/api/v1/agents/${agent.id}`)).status).toBe(404);
  });

  it('leaves what it works on to its lease', async () => {
    const agent = await app.agent('deleted-at-work', ['at-work']);
    await create({ requires: ['at-work'] });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token });
    const [{ attempt }] = json.tasks;
    await app.call('DELETE', `/api/v1/agents/${agent.id}`);
    expect((await app.call('GET', `/api/v1/attempts/${attempt.id}`)).json.outcome).toBeNull();
    const complete = { token: attempt.token, body: { outcome: 'completed' } };
    const done = await app.call('POST', `/api/v1/attempts/${attempt.id}/complete`, complete);
    expect(done.json.task_status).toBe('completed');
  });
});

describe('deleting an agent while something names it', () => {
  const ROUNDS = 10;
  const named = async (id: string) => (await app.call('GET', `/api/v1/tasks/${id}`)).json.named_agent_id;
  const remove = (id: string) => app.call('DELETE', `/api/v1/agents/${id}`);

  it('leaves no task that names it: one is handed back at the same time', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const agent = await app.agent(`back-${round}`);
      const { id } = await create({ agent_id: agent.id });
      const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token });
      const { attempt } = json.tasks[0];
      const release = { token: attempt.token, body: { outcome: 'released' } };
      const answers = await Promise.all([
        app.call('POST', `/api/v1/attempts/${attempt.id}/complete`, release),
        remove(agent.id),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 204]);
      expect(await named(id)).toBeNull();
      await app.call('POST', `/api/v1/tasks/${id}/cancel`);
    }
  });

  it('makes who hands one back wait until it is known whether the agent is gone', async () => {
    const agent = await app.agent('going');
    const { id } = await create({ agent_id: agent.id });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token });
    const { attempt } = json.tasks[0];
    let handingBack: Promise<unknown> = Promise.resolve();
    await app.database.db.transaction().execute(async (trx) => {
      await lockAgentToDelete(trx, agent.id);
      await retire(trx, { ...agent, name: 'leaver' }, BY_THE_SERVER);
      const release = { token: attempt.token, body: { outcome: 'released' } };
      handingBack = app.call('POST', `/api/v1/attempts/${attempt.id}/complete`, release);
      await Promise.race([handingBack, waitFor(() => somebodyWaits(app.database.db))]);
    });
    await handingBack;
    expect(await named(id)).toBeNull();
    const { json: events } = await app.call('GET', `/api/v1/tasks/${id}/events`);
    expect(events.items.at(-1)).toMatchObject({ type: 'agent_unnamed', actor: { kind: 'server' } });
  });

  it('leaves no task that names it: one is assigned to it at the same time', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const agent = await app.agent(`assign-${round}`);
      const { id } = await create({ requires: ['nobody-has-this'] });
      const [assigned] = await Promise.all([
        app.call('POST', `/api/v1/tasks/${id}/assign`, { body: { agent_id: agent.id } }),
        remove(agent.id),
      ]);
      expect([200, 404]).toContain(assigned.status);
      expect(await named(id)).toBeNull();
    }
  });
});

describe('the list of agents', () => {
  it('comes by name in pages without a hole or a double', async () => {
    for (const name of ['list-b', 'list-c', 'list-a']) await app.agent(name);
    const names: string[] = [];
    let cursor = '';
    do {
      const { json } = await app.call('GET', `/api/v1/agents?limit=2${cursor}`);
      names.push(...json.items.map((one: { name: string }) => one.name));
      cursor = json.next_cursor === null ? '' : `&cursor=${json.next_cursor}`;
    } while (cursor !== '');
    expect(names).toEqual(names.toSorted());
    expect(names.filter((name) => name.startsWith('list-'))).toEqual(['list-a', 'list-b', 'list-c']);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('leaving', () => {
  it('ends what the agent holds as lost at once, and its credential', async () => {
    const agent = await app.agent('leaver', ['leaver']);
    const named = await create({ requires: ['leaver'], agent_id: agent.id });
    await create({ requires: ['leaver'] });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token, body: { max_tasks: 2 } });
    const [first, second] = json.tasks;
    await app.call('POST', `/api/v1/attempts/${first.attempt.id}/start`, { token: agent.token });
    expect((await app.call('DELETE', '/api/v1/agents/me', { token: agent.token })).status).toBe(204);
    for (const { id, attempt } of [first, second]) {
      const { json: ended } = await app.call('GET', `/api/v1/attempts/${attempt.id}`);
      expect(ended).toMatchObject({ outcome: 'lost', error: 'agent leaver has left' });
      expect((await app.call('GET', `/api/v1/tasks/${id}`)).json.status).toBe('pending');
    }
    expect((await app.call('DELETE', '/api/v1/agents/me', { token: agent.token })).status).toBe(401);
    expect((await app.call('GET', `/api/v1/tasks/${named.id}`)).json.named_agent_id).toBeNull();
  });

  it('is done within a second, also by who holds something', async () => {
    const holding = async (n: number) => {
      const { token } = await app.agent(`swift-leaver-${n}`, ['swift']);
      await create({ requires: ['swift'] });
      expect((await app.call('POST', '/api/v1/tasks/dequeue', { token })).status).toBe(200);
      return token;
    };
    const leave = async (_: number, token: string) =>
      expect((await app.call('DELETE', '/api/v1/agents/me', { token })).status).toBe(204);
    expect(await quickestMs(1_000, leave, holding)).toBeLessThan(1_000);
  });
});

describe('hosts of the configuration', () => {
  it('appear, change and go with it', async () => {
    const hosts = async () =>
      (await app.call('GET', '/api/v1/agents?limit=200')).json.items.filter(
        (one: { execution_mode: string }) => one.execution_mode === 'ssh_cli',
      );
    await syncHosts(app.deps, [
      { id: 'h2', labels: ['b'], capacity: 2 },
      { id: 'h1', labels: ['a'], capacity: 1 },
    ]);
    expect(await hosts()).toMatchObject([
      { id: 'h1', name: 'h1', labels: ['a'], online: false },
      { id: 'h2', capacity: 2 },
    ]);
    const made = await create({ agent_id: 'h2' });
    await syncHosts(app.deps, [{ id: 'h1', labels: ['a', 'c'], capacity: 4 }]);
    expect(await hosts()).toMatchObject([{ id: 'h1', labels: ['a', 'c'], capacity: 4 }]);
    expect((await app.call('GET', `/api/v1/tasks/${made.id}`)).json.named_agent_id).toBeNull();
    await syncHosts(app.deps, [{ id: 'h2', labels: [], capacity: 1 }]);
    expect(await hosts()).toMatchObject([{ id: 'h2', labels: [] }]);
  });

  it('can be read in by two servers at once', async () => {
    const hosts = Array.from({ length: 20 }, (_, n) => ({ id: `many-${n}`, labels: [], capacity: 1 }));
    const starts = [hosts, hosts.toReversed(), hosts].map((list) => syncHosts(app.deps, list));
    await expect(Promise.all(starts)).resolves.toBeDefined();
  });

  it('refuse the name of an agent that pulls, and nothing is changed', async () => {
    await app.agent('pull-agent');
    await syncHosts(app.deps, [{ id: 'kept', labels: [], capacity: 1 }]);
    const hosts = [
      { id: 'aaa', labels: [], capacity: 1 },
      { id: 'pull-agent', labels: [], capacity: 1 },
    ];
    await expect(syncHosts(app.deps, hosts)).rejects.toMatchObject({
      code: 'name_taken',
      message: expect.stringMatching(/^The host pull-agent cannot be used/),
    });
    expect([(await show('aaa')).status, (await show('kept')).status]).toEqual([404, 200]);
  });
});
