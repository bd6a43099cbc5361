import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { event } from '../../src/contract/event.ts';
import { task } from '../../src/contract/task.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { addAgent } from '../support/tasks.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    templates: [
      {
        name: 'greet',
        command: ['cat'],
        input: 'Hello {{ who }}',
        environment: { LANG: 'C.UTF-8' },
        requires: ['linux'],
        timeout_seconds: 60,
        repeatable: false,
        variables: { who: { default: 'world' } },
      },
    ],
  });
});
afterAll(() => app.stop());

const create = async (body: object) => (await app.call('POST', '/api/v1/tasks', { body })).json;

describe('a new task', () => {
  it('is answered with its address, all its fields, and undecided unless said', async () => {
    const answer = await app.call('POST', '/api/v1/tasks', { body: { title: 'Build', command: ['make', 'all'] } });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/api/v1/tasks/${answer.json.id}`);
    z.strictObject(task.shape).parse(answer.json);
    expect(answer.json).toMatchObject({
      status: 'pending',
      execution_mode: 'undecided',
      requested_mode: 'undecided',
      priority: 3,
      repeatable: true,
      preemptible: true,
      timeout_seconds: 300,
      created_by: { kind: 'coordinator', name: 'TASKEJO_ADMIN_TOKEN' },
      attempt: null,
      result: null,
    });
    expect((await app.call('GET', `/api/v1/tasks/${answer.json.id}`)).json).toEqual(answer.json);
  });

  it('keeps everything that was asked for', async () => {
    const asked = {
      title: 'All',
      body: 'text',
      command: ['sh', '-c', 'true'],
      input: '',
      environment: { A: '1' },
      requires: ['linux', 'gpu'],
      execution_mode: 'http_pull',
      timeout_seconds: 7,
      max_retries: 1,
      max_infra_retries: 2,
      retry_delay_seconds: 3,
      preemptible: false,
      repeatable: false,
      repository: 'main:alice/widgets',
    };
    const made = await create({ ...asked, priority: 'urgent', run_after: '2099-01-01T02:00:00+02:00' });
    expect({ ...made, requires: made.requires.toSorted() }).toMatchObject({
      ...asked,
      requires: ['gpu', 'linux'],
      priority: 8,
      run_after: '2099-01-01T00:00:00.000000Z',
      requested_mode: 'http_pull',
    });
  });

  it('of a template has what the template says, and what was asked over it', async () => {
    const made = await create({ title: 'Hi', template: 'greet', variables: { who: 'Ada' }, environment: { A: '1' } });
    expect(made).toMatchObject({
      template: 'greet',
      command: ['cat'],
      input: 'Hello Ada',
      environment: { LANG: 'C.UTF-8', A: '1' },
      requires: ['linux'],
      timeout_seconds: 60,
      repeatable: false,
    });
    expect(await create({ title: 'Hi', template: 'greet', input: 'Bye' })).toMatchObject({ input: 'Bye' });
    const { json } = await app.call('POST', '/api/v1/tasks', {
      body: { title: 'Hi', template: 'greet', variables: { whom: 'x' } },
    });
    expect(json).toMatchObject({ code: 'invalid', errors: [{ field: 'variables.whom' }] });
  });

  it('that names an agent is assigned to it at once, and its mode follows', async () => {
    const agent = await app.agent('named');
    const made = await create({ title: 'Named', command: ['true'], agent_id: agent.id });
    expect(made).toMatchObject({
      named_agent_id: agent.id,
      assigned_agent_id: agent.id,
      execution_mode: 'http_pull',
      requested_mode: 'undecided',
    });
  });
});

it('several tasks of one request are taken in the order in which they stand there', async () => {
  const agent = await app.agent('orderly', ['in-order'], 50);
  const titles = Array.from({ length: 50 }, (_, n) => `${n}`);
  const body = titles.map((title) => ({ title, command: ['true'], requires: ['in-order'], priority: 10 }));
  expect((await app.call('POST', '/api/v1/tasks', { body })).status).toBe(201);
  const taken = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token, body: { max_tasks: 50 } });
  expect(taken.json.tasks.map((one: { title: string }) => one.title)).toEqual(titles);
});

describe('a list of tasks', () => {
  it('comes newest first in pages without a hole or a double', async () => {
    const made: string[] = [];
    for (const n of [1, 2, 3, 4, 5])
      made.push((await create({ title: `p${n}`, command: ['true'], requires: ['page'] })).id);
    const seen: string[] = [];
    let cursor = '';
    do {
      const { json } = await app.call('GET', `/api/v1/tasks?label=page&limit=2${cursor}`);
      seen.push(...json.items.map((one: { id: string }) => one.id));
      cursor = json.next_cursor === null ? '' : `&cursor=${json.next_cursor}`;
    } while (cursor !== '');
    expect(seen).toEqual(made.toReversed());
  });

  it('by rank has what comes next first', async () => {
    const low = await create({ title: 'low', command: ['true'], requires: ['rank'], priority: 0 });
    const high = await create({ title: 'high', command: ['true'], requires: ['rank'], priority: 9 });
    const { json } = await app.call('GET', '/api/v1/tasks?label=rank&sort=rank');
    expect(json.items.map((one: { id: string }) => one.id)).toEqual([high.id, low.id]);
  });

  it('is filtered by each of its parameters', async () => {
    const one = await create({
      title: 'Fix the Login',
      command: ['true'],
      repository: 'main:bob/site',
      execution_mode: 'ssh_cli',
    });
    const found = async (query: string) => {
      const { json } = await app.call('GET', `/api/v1/tasks?limit=200&${query}`);
      return json.items.some((item: { id: string }) => item.id === one.id);
    };
    const before = encodeURIComponent(one.created_at);
    for (const query of [
      'status=pending,running',
      'execution_mode=ssh_cli',
      'repository=bob/site',
      'repository=main:bob/site',
      'q=login',
      `created_before=2099-01-01T00:00:00Z`,
      `created_after=2000-01-01T00:00:00Z`,
    ]) {
      expect([query, await found(query)]).toEqual([query, true]);
    }
    for (const query of [
      'status=running',
      'execution_mode=http_pull',
      'repository=bob/other',
      'template=greet',
      'q=logout',
      `created_before=${before}`,
      `created_after=${before}`,
      'agent_id=nobody',
      'label=none',
    ]) {
      expect([query, await found(query)]).toEqual([query, false]);
    }
  });
});

describe('the story of a task', () => {
  it('is an unbroken chain of events', async () => {
    const { id } = await create({ title: 'story', command: ['true'] });
    await app.call('POST', `/api/v1/tasks/${id}/cancel`, { body: { reason: 'changed my mind' } });
    const first = (await app.call('GET', `/api/v1/tasks/${id}/events?limit=1`)).json;
    const second = (await app.call('GET', `/api/v1/tasks/${id}/events?limit=1&cursor=${first.next_cursor}`)).json;
    const events = z.array(z.strictObject(event.shape)).parse([...first.items, ...second.items]);
    expect(events).toMatchObject([
      { n: 1, type: 'created', from_status: null, to_status: 'pending', previous_hash: null },
      { n: 2, type: 'cancelled', from_status: 'pending', to_status: 'cancelled', actor: { kind: 'coordinator' } },
    ]);
    expect(events[1]?.previous_hash).toBe(events[0]?.hash);
    expect(second.next_cursor).toBeNull();
  });

  it('of a task that there is not is not found', async () => {
    const id = crypto.randomUUID();
    expect((await app.call('GET', `/api/v1/tasks/${id}/events`)).status).toBe(404);
    expect((await app.call('GET', `/api/v1/tasks/${id}/attempts`)).status).toBe(404);
  });
});

describe('cancel', () => {
  it('ends a pending task at once, and again answers the same', async () => {
    const { id } = await create({ title: 'c', command: ['true'] });
    const cancel = () => app.call('POST', `/api/v1/tasks/${id}/cancel`);
    const first = await cancel();
    expect(first.json).toMatchObject({ status: 'cancelled', cancel_requested: true, result: null });
    expect((await cancel()).json).toEqual(first.json);
  });

  it('of a running task is carried by the next renewal', async () => {
    const agent = await app.agent('cancelled', ['cancel']);
    const { id } = await create({ title: 'c', command: ['true'], requires: ['cancel'], priority: 10 });
    const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token });
    const { attempt } = json.tasks[0];
    const say = (verb: string, body?: object) =>
      app.call('POST', `/api/v1/attempts/${attempt.id}/${verb}`, { token: attempt.token, body });
    await say('start');
    const asked = await app.call('POST', `/api/v1/tasks/${id}/cancel`, { body: { reason: 'enough' } });
    expect(asked.json).toMatchObject({ status: 'running', cancel_requested: true, cancel_reason: 'enough' });
    expect((await say('renew')).json).toMatchObject({ cancel_requested: true, cancel_reason: 'cancel' });
    expect((await say('complete', { outcome: 'cancelled' })).json.task_status).toBe('cancelled');
    const again = await app.call('POST', `/api/v1/tasks/${id}/cancel`);
    expect([again.status, again.json.status]).toEqual([200, 'cancelled']);
  });
});

describe('assign', () => {
  const assign = (id: string, body: object) => app.call('POST', `/api/v1/tasks/${id}/assign`, { body });

  it('names an agent or a host, by their kind', async () => {
    const agent = await app.agent('assignee');
    await addAgent(app.database.db, 'host-1', { mode: 'ssh_cli' });
    const { id } = await create({ title: 'a', command: ['true'] });
    expect((await assign(id, { agent_id: agent.id })).json).toMatchObject({
      execution_mode: 'http_pull',
      named_agent_id: agent.id,
    });
    const replaced = await assign(id, { agent_id: 'host-1', execution_mode: 'ssh_cli' });
    expect(replaced.json).toMatchObject({ execution_mode: 'ssh_cli', assigned_agent_id: 'host-1', version: 3 });
  });

  it('is refused for what is not there, for the wrong mode, and for a task that is not pending', async () => {
    const agent = await app.agent('refuser');
    const { id } = await create({ title: 'a', command: ['true'] });
    const code = async (answer: ReturnType<typeof assign>) => {
      const { status, json } = await answer;
      return [status, json.code];
    };
    expect(await code(assign(crypto.randomUUID(), { agent_id: agent.id }))).toEqual([404, 'not_found']);
    expect(await code(assign(id, { agent_id: 'nobody' }))).toEqual([404, 'not_found']);
    const wrongMode = { agent_id: agent.id, execution_mode: 'ssh_cli' };
    expect(await code(assign(id, wrongMode))).toEqual([400, 'mode_mismatch']);
    await app.call('POST', `/api/v1/tasks/${id}/cancel`);
    expect(await code(assign(id, { agent_id: agent.id }))).toEqual([400, 'assign_not_allowed']);
  });
});
