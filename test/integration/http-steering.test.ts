import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tellDependants } from '../../src/usecases/upkeep/tell-dependants.ts';
import { type Answer, startTestApp, type TestApp } from '../support/app.ts';
import { expectHealthy } from '../support/examine.ts';
import { addAgent } from '../support/tasks.ts';

let app: TestApp;
let labels = 0;
beforeAll(async () => {
  app = await startTestApp();
});
afterEach(() => expectHealthy(app.database.db));
afterAll(() => app.stop());

/** A label that no other test's tasks or agents have. */
const unique = () => `only-${++labels}`;
const create = async (changes: object = {}) => {
  const body = { title: 'Steered', command: ['true'], requires: [unique()], ...changes };
  const answer = await app.call('POST', '/api/v1/tasks', { body });
  expect(answer.status).toBe(201);
  return answer.json;
};
const show = async (id: string) => (await app.call('GET', `/api/v1/tasks/${id}`)).json;
const post = (id: string, verb: string, body?: object, headers?: Record<string, string>) =>
  app.call('POST', `/api/v1/tasks/${id}/${verb}`, { body, ...(headers && { headers }) });
const patch = (id: string, body: object, version?: string) =>
  app.call('PATCH', `/api/v1/tasks/${id}`, { body, headers: version === undefined ? {} : { 'If-Match': version } });
const approve = (id: string, version?: string) =>
  post(id, 'approve', undefined, version === undefined ? {} : { 'If-Match': version });
const code = ({ status, json }: Answer) => [status, json.code];
const lastEvent = async (id: string) => (await app.call('GET', `/api/v1/tasks/${id}/events`)).json.items.at(-1);
const take = async (token: string) => {
  const { status, json } = await app.call('POST', '/api/v1/tasks/dequeue', { token });
  return status === 204 ? null : json.tasks[0];
};
const complete = (taken: { attempt: { id: string; token: string } }, body: object) =>
  app.call('POST', `/api/v1/attempts/${taken.attempt.id}/complete`, { token: taken.attempt.token, body });
/** A task that failed once on an agent of its own. */
async function failedTask(body: object = {}) {
  const label = unique();
  const agent = await app.agent(label, [label]);
  const made = await create({ requires: [label], ...body });
  const taken = await take(agent.token);
  await complete(taken, { outcome: 'failed', exit_code: 7 });
  return { id: made.id as string, agent, label };
}
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

describe('patch', () => {
  it('changes what is different, raises the version and tells what it was', async () => {
    const { id } = await create({ priority: 3, requires: ['a'] });
    const answer = await patch(id, { title: 'Better', priority: 'urgent', requires: ['b', 'a', 'b'] });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ title: 'Better', priority: 8, requires: ['a', 'b'], version: 2 });
    expect(await lastEvent(id)).toMatchObject({
      type: 'changed',
      actor: { kind: 'coordinator' },
      from_status: null,
      to_status: null,
      data: {
        title: { from: 'Steered', to: 'Better' },
        priority: { from: 3, to: 8 },
        requires: { from: ['a'], to: ['a', 'b'] },
      },
    });
  });

  it('that changes nothing is answered with the task as it was', async () => {
    const made = await create({ priority: 3, requires: ['a', 'b'], run_after: '2099-01-01T00:00:00Z' });
    expect((await patch(made.id, {})).json).toEqual(made);
    const same = { title: 'Steered', priority: 'medium', requires: ['b', 'a'], run_after: '2099-01-01T01:00:00+01:00' };
    expect((await patch(made.id, same)).json).toEqual(made);
    expect(await lastEvent(made.id)).toMatchObject({ n: 1 });
  });

  it('of the priority moves the task in the order, counted from when it was made', async () => {
    const label = unique();
    const agent = await app.agent(label, [label]);
    const first = await create({ requires: [label] });
    const second = await create({ requires: [label] });
    const third = await create({ requires: [label] });
    await patch(third.id, { priority: 8 });
    await patch(first.id, { priority: 0 });
    await patch(first.id, { priority: 3 });
    const order = [await take(agent.token), await take(agent.token), await take(agent.token)];
    expect(order.map(({ id }) => id)).toEqual([third.id, first.id, second.id]);
  });

  it('of what it requires lets others take it, unless it names an agent', async () => {
    const [old, wanted] = [unique(), unique()];
    const before = await app.agent(old, [old]);
    const after = await app.agent(wanted, [wanted]);
    const { id } = await create({ requires: [old] });
    await patch(id, { requires: [wanted] });
    expect(await take(before.token)).toBeNull();
    expect(await take(after.token)).toMatchObject({ id });
    const named = await create({ requires: [old], agent_id: before.id });
    await patch(named.id, { requires: [wanted] });
    expect(await take(after.token)).toBeNull();
    expect(await take(before.token)).toMatchObject({ id: named.id });
  });

  it('of run_after closes and opens the gate of time', async () => {
    const label = unique();
    const agent = await app.agent(label, [label]);
    const { id } = await create({ requires: [label] });
    expect((await patch(id, { run_after: inAnHour() })).json).toMatchObject({ waiting_reason: 'run_after' });
    expect(await take(agent.token)).toBeNull();
    expect((await patch(id, { run_after: null })).json).toMatchObject({ run_after: null, waiting_reason: null });
    expect(await take(agent.token)).toMatchObject({ id });
  });

  it('of run_after stands in place of the delay before a new try', async () => {
    const { id, agent } = await failedTask({ max_retries: 1, retry_delay_seconds: 600 });
    expect(await take(agent.token)).toBeNull();
    await patch(id, { run_after: '2001-01-01T00:00:00Z' });
    expect(await take(agent.token)).toMatchObject({ id, attempt: { number: 2 } });
  });

  it('that makes a task wait passes its concurrency key on, and does not take it back', async () => {
    const key = unique();
    const agent = await app.agent(key, [key]);
    const first = await create({ requires: [key], concurrency_key: key });
    const second = await create({ requires: [key], concurrency_key: key });
    await patch(first.id, { run_after: inAnHour() });
    expect(await take(agent.token)).toMatchObject({ id: second.id });
    await patch(first.id, { run_after: null });
    expect(await take(agent.token)).toBeNull();
    await post(second.id, 'cancel');
  });

  it('is refused with another version than the one that was read', async () => {
    const { id } = await create();
    expect(code(await patch(id, { priority: 4 }, '"2"'))).toEqual([412, 'version_mismatch']);
    expect(code(await patch(id, { priority: 4 }, 'W/"1"'))).toEqual([412, 'version_mismatch']);
    const unquoted = await patch(id, { priority: 4 }, '1');
    expect([...code(unquoted), unquoted.json.detail]).toEqual([
      412,
      'version_mismatch',
      'The task has version 1 now; If-Match takes one in quotes, as "1".',
    ]);
    expect(code(await patch(id, {}, '"2"'))).toEqual([412, 'version_mismatch']);
    expect((await patch(id, { priority: 4 }, '"1"')).json).toMatchObject({ version: 2 });
    expect((await patch(id, { priority: 5 }, '*')).json).toMatchObject({ version: 3 });
    expect((await patch(id, { priority: 6 }, '"1", "3"')).json).toMatchObject({ version: 4 });
  });

  it('is refused for a task that is not pending, for none, and for what can not be changed', async () => {
    const { id } = await create();
    await post(id, 'cancel');
    expect(code(await patch(id, { priority: 4 }))).toEqual([409, 'status_not_allowed']);
    expect(code(await patch(id, {}, '"9"'))).toEqual([409, 'status_not_allowed']);
    expect(code(await patch(crypto.randomUUID(), { requires: ['a'] }))).toEqual([404, 'not_found']);
    expect(code(await patch(crypto.randomUUID(), {}))).toEqual([404, 'not_found']);
    for (const body of [
      { command: ['false'] },
      { priority: 11 },
      { title: '' },
      { run_after: 'soon' },
      { requires: ['A b'] },
    ]) {
      expect(code(await patch(id, body))).toEqual([422, 'invalid']);
    }
    const viewer = await app.token('viewer');
    expect(code(await app.call('PATCH', `/api/v1/tasks/${id}`, { token: viewer, body: {} }))).toEqual([
      403,
      'forbidden',
    ]);
  });
});

describe('unassign', () => {
  it('gives a task back to all, in the mode of its creation', async () => {
    const label = unique();
    const agent = await app.agent(label, [label]);
    const host = await addAgent(app.database.db, `host-${label}`, { mode: 'ssh_cli' });
    const { id } = await create({ requires: [label], execution_mode: 'http_pull' });
    expect((await post(id, 'assign', { agent_id: host })).json).toMatchObject({ execution_mode: 'ssh_cli' });
    expect(await take(agent.token)).toBeNull();
    const { json } = await post(id, 'unassign');
    expect(json).toMatchObject({
      named_agent_id: null,
      assigned_agent_id: null,
      assigned_at: null,
      execution_mode: 'http_pull',
      version: 3,
    });
    expect(await lastEvent(id)).toMatchObject({ type: 'agent_unnamed', data: { agent_id: host } });
    expect(await take(agent.token)).toMatchObject({ id });
  });

  it('is refused for a task that names nobody, that is taken, and for none', async () => {
    const label = unique();
    const agent = await app.agent(label, [label]);
    const { id } = await create({ requires: [label] });
    expect(code(await post(id, 'unassign'))).toEqual([409, 'status_not_allowed']);
    await post(id, 'assign', { agent_id: agent.id });
    await take(agent.token);
    expect(code(await post(id, 'unassign'))).toEqual([409, 'status_not_allowed']);
    expect(code(await post(crypto.randomUUID(), 'unassign'))).toEqual([404, 'not_found']);
    expect(code(await post(id, 'unassign', { agent_id: agent.id }))).toEqual([422, 'invalid']);
  });
});

describe('approve', () => {
  it('lets the version that was read run', async () => {
    const label = unique();
    const agent = await app.agent(label, [label]);
    const { id } = await create({ requires: [label], requires_approval: true });
    expect(await take(agent.token)).toBeNull();
    await patch(id, { priority: 9 });
    expect(code(await approve(id, '"1"'))).toEqual([412, 'version_mismatch']);
    const { json } = await approve(id, '"2"');
    expect(json).toMatchObject({ version: 3, requires_approval: true, approved_at: expect.any(String) });
    expect(await lastEvent(id)).toMatchObject({ type: 'approved', to_status: null, data: { version: 2 } });
    expect(await take(agent.token)).toMatchObject({ id });
  });

  it('needs the version that was read', async () => {
    const { id } = await create({ requires_approval: true });
    for (const version of [undefined, '*', '1', 'W/"1"', '""']) {
      expect(code(await approve(id, version))).toEqual([412, 'version_mismatch']);
    }
    expect(await show(id)).toMatchObject({ approved_at: null, version: 1 });
  });

  it('is refused for a task that does not wait for it', async () => {
    const plain = await create();
    expect(code(await approve(plain.id, '"1"'))).toEqual([409, 'status_not_allowed']);
    const { id } = await create({ requires_approval: true });
    await approve(id, '"1"');
    expect(code(await approve(id, '"2"'))).toEqual([409, 'status_not_allowed']);
    await post(id, 'cancel');
    expect(code(await approve(id, '"2"'))).toEqual([409, 'status_not_allowed']);
    expect(code(await approve(crypto.randomUUID(), '"1"'))).toEqual([404, 'not_found']);
  });

  it('opens only its own gate', async () => {
    const { id } = await create({ requires_approval: true, run_after: inAnHour() });
    expect((await approve(id, '"1"')).json).toMatchObject({ waiting_reason: 'run_after' });
  });
});

describe('retry', () => {
  it('makes a failed task pending again, with fresh budgets and the next number', async () => {
    const { id, agent } = await failedTask({ max_retries: 0, priority: 5 });
    expect(await show(id)).toMatchObject({ status: 'failed', result: { exit_code: 7 } });
    const { json } = await post(id, 'retry');
    expect(json).toMatchObject({
      status: 'pending',
      execution_mode: 'undecided',
      assigned_agent_id: null,
      assigned_at: null,
      retries: 0,
      infra_retries: 0,
      result: null,
      finished_at: null,
      attempt: { number: 1 },
      waiting_reason: null,
    });
    expect(await lastEvent(id)).toMatchObject({ type: 'retried', from_status: 'failed', to_status: 'pending' });
    expect(await take(agent.token)).toMatchObject({ id, attempt: { number: 2 } });
  });

  it('gives back the tries that were spent, and forgets where it failed', async () => {
    const { id, agent } = await failedTask({ max_retries: 1, retry_delay_seconds: 0 });
    const second = await take(agent.token);
    await complete(second, { outcome: 'failed', failure_class: 'setup', error: 'no disk' });
    await app.agent(`other-${id}`, [second.requires[0]]);
    expect(await show(id)).toMatchObject({ status: 'pending', retries: 1, infra_retries: 1 });
    await post(id, 'cancel', { reason: 'enough' });
    expect((await post(id, 'retry')).json).toMatchObject({
      retries: 0,
      infra_retries: 0,
      cancel_requested: false,
      cancel_reason: null,
    });
    expect(await take(agent.token)).toMatchObject({ id, attempt: { number: 3 } });
  });

  it('keeps the agent that was named, and when it was', async () => {
    const label = unique();
    const agent = await app.agent(label);
    const made = await create({ agent_id: agent.id });
    const taken = await take(agent.token);
    expect(taken.assigned_at).not.toBe(made.assigned_at);
    await complete(taken, { outcome: 'failed', exit_code: 1 });
    expect((await post(made.id, 'retry')).json).toMatchObject({
      named_agent_id: agent.id,
      assigned_agent_id: agent.id,
      assigned_at: made.assigned_at,
      execution_mode: 'http_pull',
    });
  });

  it('unnames an agent that was deleted meanwhile', async () => {
    const agent = await app.agent(unique());
    const { id } = await create({ agent_id: agent.id });
    await post(id, 'cancel');
    await app.call('DELETE', `/api/v1/agents/${agent.id}`);
    expect((await post(id, 'retry')).json).toMatchObject({
      status: 'pending',
      named_agent_id: null,
      assigned_agent_id: null,
      execution_mode: 'undecided',
    });
    expect(await lastEvent(id)).toMatchObject({ type: 'agent_unnamed', actor: { kind: 'server' } });
  });

  it('waits again for a dependency that is retried, and runs when that one completes', async () => {
    const { id: first, agent, label } = await failedTask();
    const second = await create({ requires: [label], depends_on: [first] });
    await tellDependants(app.deps);
    expect(await show(second.id)).toMatchObject({ status: 'cancelled' });
    await post(first, 'retry');
    expect(await show(second.id)).toMatchObject({ status: 'cancelled' });
    expect((await post(second.id, 'retry')).json).toMatchObject({ status: 'pending', unmet_dependencies: 1 });
    await complete(await take(agent.token), { outcome: 'completed' });
    await tellDependants(app.deps);
    expect(await take(agent.token)).toMatchObject({ id: second.id, unmet_dependencies: 0 });
  });

  it('counts a dependency that completed meanwhile as met', async () => {
    const { id: first, agent, label } = await failedTask();
    const second = await create({ requires: [label], depends_on: [first] });
    await tellDependants(app.deps);
    await post(first, 'retry');
    await complete(await take(agent.token), { outcome: 'completed' });
    expect((await post(second.id, 'retry')).json).toMatchObject({ status: 'pending', unmet_dependencies: 0 });
    expect(await take(agent.token)).toMatchObject({ id: second.id });
  });

  it('of a task whose dependency has still failed does to it what that does to a new one', async () => {
    const { id: first } = await failedTask();
    const second = await create({ depends_on: [first] });
    await tellDependants(app.deps);
    expect((await post(second.id, 'retry')).json).toMatchObject({ status: 'pending', unmet_dependencies: 1 });
    await tellDependants(app.deps);
    expect(await show(second.id)).toMatchObject({ status: 'cancelled' });
  });

  it('waits for its time and its key as a new task does', async () => {
    const key = unique();
    const first = await create({ concurrency_key: key });
    await post(first.id, 'cancel');
    const second = await create({ concurrency_key: key });
    expect((await post(first.id, 'retry')).json.waiting_reason).not.toBeNull();
    await post(second.id, 'cancel');
    const { rows } = await sql`select ready from tasks where id = ${first.id}`.execute(app.database.db);
    expect(rows).toEqual([{ ready: true }]);
    const later = await create({ run_after: inAnHour() });
    await post(later.id, 'cancel');
    expect((await post(later.id, 'retry')).json).toMatchObject({ waiting_reason: 'run_after' });
  });

  it('is refused for a task that is not final, that completed, and for none', async () => {
    const label = unique();
    const agent = await app.agent(label, [label]);
    const { id } = await create({ requires: [label] });
    expect(code(await post(id, 'retry'))).toEqual([409, 'status_not_allowed']);
    const taken = await take(agent.token);
    expect(code(await post(id, 'retry'))).toEqual([409, 'status_not_allowed']);
    await complete(taken, { outcome: 'completed' });
    expect(code(await post(id, 'retry'))).toEqual([409, 'status_not_allowed']);
    expect(code(await post(crypto.randomUUID(), 'retry'))).toEqual([404, 'not_found']);
    expect(code(await post(id, 'retry', { again: true }))).toEqual([422, 'invalid']);
  });
});

describe('cancel by force', () => {
  it('is refused while nothing says that the host is out of reach', async () => {
    const label = unique();
    const agent = await app.agent(label, [label]);
    const { id } = await create({ requires: [label] });
    expect(code(await post(id, 'cancel', { force: true }))).toEqual([409, 'status_not_allowed']);
    await take(agent.token);
    expect(code(await post(id, 'cancel', { force: true }))).toEqual([409, 'status_not_allowed']);
    expect(await show(id)).toMatchObject({ status: 'assigned', cancel_requested: false });
    expect(code(await post(crypto.randomUUID(), 'cancel', { force: true }))).toEqual([404, 'not_found']);
  });
});

describe('assign', () => {
  it('may name an agent that takes nothing now; the task waits for that reason', async () => {
    const agent = await app.agent(unique());
    for (const change of [{ cordoned: true }, { cordoned: false, draining: true }]) {
      await app.call('PATCH', `/api/v1/agents/${agent.id}`, { body: change });
      const { id } = await create();
      const { status, json } = await post(id, 'assign', { agent_id: agent.id });
      expect([status, json.waiting_reason]).toEqual([200, change.cordoned ? 'cordoned' : 'draining']);
      expect(await take(agent.token)).toBeNull();
    }
  });

  it('refuses an agent that was deleted', async () => {
    const agent = await app.agent(unique());
    await app.call('DELETE', `/api/v1/agents/${agent.id}`);
    const { id } = await create();
    expect(code(await post(id, 'assign', { agent_id: agent.id }))).toEqual([404, 'not_found']);
  });

  it('is remembered by the task that is pending again', async () => {
    const agent = await app.agent(unique());
    const { id } = await create();
    const { assigned_at: named } = (await post(id, 'assign', { agent_id: agent.id })).json;
    const taken = await take(agent.token);
    await complete(taken, { outcome: 'released' });
    expect(await show(id)).toMatchObject({ status: 'pending', named_agent_id: agent.id, assigned_at: named });
  });
});
