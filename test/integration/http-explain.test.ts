import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explanation } from '../../src/contract/explain.ts';
import { startTestApp, type TestApp } from '../support/app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

let made = 0;
/** A label of this test's own, so that no other agent is meant. */
const own = () => `label-${++made}`;
async function create(body: object) {
  const { json, status } = await app.call('POST', '/api/v1/tasks', {
    body: { title: 't', command: ['make'], ...body },
  });
  expect([status, json]).toEqual([201, json]);
  return json;
}
async function register(body: object) {
  const { json, status } = await app.call('POST', '/api/v1/agents/register', { body });
  expect([status, json]).toEqual([201, json]);
  return { id: json.agent_id as string, token: json.token as string };
}
async function explain(id: string, token?: string) {
  const { json, status } = await app.call('GET', `/api/v1/tasks/${id}/explain`, token === undefined ? {} : { token });
  expect(status).toBe(200);
  return explanation.strict().parse(json);
}
const codes = (reasons: readonly { code: string }[]) => reasons.map(({ code }) => code);
const dequeue = (token: string) => app.call('POST', '/api/v1/tasks/dequeue', { token, body: {} });
const waitingReason = async (id: string) => (await app.call('GET', `/api/v1/tasks/${id}`)).json.waiting_reason;

describe('explain', () => {
  it('says that the next dequeue takes the task, and it does', async () => {
    const label = own();
    const agent = await register({ name: own(), labels: [label] });
    const { id } = await create({ requires: [label] });
    const told = await explain(id);
    expect(told).toMatchObject({ task_id: id, status: 'pending', takeable: true, reasons: [], smallest_change: null });
    expect(told.agents[0]).toMatchObject({ agent_id: agent.id, takeable: true, reasons: [], smallest_change: null });
    expect((await dequeue(agent.token)).json.tasks[0].id).toBe(id);
    expect(await explain(id)).toMatchObject({
      status: 'assigned',
      takeable: false,
      reasons: [{ code: 'not_pending' }],
      agents: [],
      agents_total: 0,
    });
  });

  it('names the labels that are missing, and the change that helps, which does', async () => {
    const label = own();
    const agent = await register({ name: own(), labels: [label] });
    const { id } = await create({ requires: [label, `${label}-b`] });
    const told = await explain(id);
    expect(told).toMatchObject({ takeable: false, reasons: [{ code: 'labels_nobody_has', missing: [`${label}-b`] }] });
    expect(told.agents[0]).toMatchObject({
      agent_id: agent.id,
      reasons: [{ code: 'labels_missing', missing: [`${label}-b`] }],
      smallest_change: expect.stringContaining(`the label ${label}-b`),
    });
    await app.call('PATCH', `/api/v1/agents/${agent.id}`, { body: { labels: [label, `${label}-b`] } });
    expect(await explain(id)).toMatchObject({ takeable: true });
  });

  it('counts the tasks that come before it', async () => {
    const label = own();
    await register({ name: own(), labels: [label, `${label}-b`] });
    await create({ requires: [label] });
    await create({ requires: [`${label}-b`], priority: 'urgent' });
    await create({ requires: [own()], priority: 'urgent' });
    await create({ requires: [label], run_after: '2099-01-01T00:00:00Z', priority: 10 });
    const { id } = await create({ requires: [label] });
    await create({ requires: [label] });
    expect((await explain(id)).ahead).toBe(2);
  });

  it('names the task that holds the key, and those that are waited for', async () => {
    const label = own();
    await register({ name: own(), labels: [label] });
    const holder = await create({ requires: [label], concurrency_key: label });
    const second = await create({ requires: [label], concurrency_key: label });
    expect((await explain(second.id)).reasons).toMatchObject([{ code: 'concurrency', task_ids: [holder.id] }]);
    const last = await create({ requires: [label], depends_on: [second.id], requires_approval: true });
    expect((await explain(last.id)).reasons).toMatchObject([
      { code: 'dependencies', task_ids: [second.id] },
      { code: 'approval' },
    ]);
    expect(await waitingReason(last.id)).toBe('dependencies');
  });

  it('says that an agent is offline, and asking makes it online', async () => {
    const token = await app.token('agent', own());
    const { json } = await app.call('GET', '/api/v1/agents');
    const agent = json.items.find((one: { last_seen_at: string | null }) => one.last_seen_at === null);
    const { id } = await create({ agent_id: agent.id });
    expect(await explain(id)).toMatchObject({ takeable: false, reasons: [{ code: 'offline' }] });
    expect(await waitingReason(id)).toBe('offline');
    expect((await dequeue(token)).status).toBe(200);
  });

  it('says when an agent that failed may be asked again, while another could take it', async () => {
    const label = own();
    const agent = await register({ name: own(), labels: [label] });
    const { id } = await create({ requires: [label] });
    const taken = (await dequeue(agent.token)).json.tasks[0];
    const body = { outcome: 'failed', failure_class: 'infrastructure' };
    await app.call('POST', `/api/v1/attempts/${taken.attempt.id}/complete`, { token: agent.token, body });
    expect(await explain(id)).toMatchObject({ takeable: true });
    const other = await register({ name: own(), labels: [label], capacity: 1 });
    const here = (await explain(id)).agents.find(({ agent_id }) => agent_id === agent.id);
    expect(here).toMatchObject({
      takeable: false,
      reasons: [{ code: 'recently_failed_here', until: expect.any(String) }],
    });
    expect((await dequeue(agent.token)).status).toBe(204);
    await create({ agent_id: other.id, priority: 10 });
    expect((await dequeue(other.token)).status).toBe(200);
    expect((await explain(id)).reasons).toMatchObject([{ code: 'all_busy' }]);
    expect(await waitingReason(id)).toBe('all_busy');
  });

  it('says that what runs has made room as often as it must', async () => {
    const label = own();
    const agent = await register({ name: own(), labels: [label], capacity: 1 });
    const running = await create({ requires: [label], priority: 'low' });
    const { attempt } = (await dequeue(agent.token)).json.tasks[0];
    await app.call('POST', `/api/v1/attempts/${attempt.id}/start`, { token: agent.token, body: {} });
    await sql`update attempts set started_at = now() - interval '1 hour' where id = ${attempt.id}`.execute(app.deps.db);
    const { id } = await create({ requires: [label], priority: 'urgent' });
    const reasons = async () =>
      codes((await explain(id)).agents.find((one) => one.agent_id === agent.id)?.reasons ?? []);
    expect(await reasons()).toEqual(['no_capacity']);
    await sql`update tasks set preemptions = 2 where id = ${running.id}`.execute(app.deps.db);
    expect(await reasons()).toEqual(['no_capacity', 'preemption_limit']);
  });

  it('does not know a task that is not there', async () => {
    const { status } = await app.call('GET', '/api/v1/tasks/0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000/explain');
    expect(status).toBe(404);
  });

  it('tells an agent of itself, of tasks that it held', async () => {
    const label = own();
    const [agent, other] = [await register({ name: own(), labels: [label] }), await register({ name: own() })];
    const wish = { requires: [label], max_retries: 1, retry_delay_seconds: 3600, concurrency_key: label };
    const { id } = await create(wish);
    const taken = (await dequeue(agent.token)).json.tasks[0];
    const body = { outcome: 'failed', exit_code: 1 };
    await app.call('POST', `/api/v1/attempts/${taken.attempt.id}/complete`, { token: agent.token, body });
    const told = await explain(id, agent.token);
    expect(told).toMatchObject({ agents_total: 1, agents: [{ agent_id: agent.id }], reasons: [{ code: 'run_after' }] });
    expect((await app.call('GET', `/api/v1/tasks/${id}/explain`, { token: other.token })).status).toBe(404);
    const next = await create({ requires: [label] });
    await sql`update concurrency set task_id = ${next.id} where key = ${label}`.execute(app.deps.db);
    const waits = JSON.stringify(await explain(id, agent.token));
    expect([waits.includes('"concurrency"'), waits.includes(next.id)]).toEqual([true, false]);
    expect(JSON.stringify(await explain(id))).toContain(next.id);
  });
});

describe('what an agent said at its registration', () => {
  it('keeps commands from it that it refuses', async () => {
    const label = own();
    const policy = { allowed_commands: ['make', 'claude'], denied_patterns: ['\\bdeploy\\b'] };
    const agent = await register({ name: own(), labels: [label], policy });
    const refused = await create({ requires: [label], command: ['make', 'deploy'] });
    const foreign = await create({ requires: [label], command: ['bash'] });
    expect((await explain(refused.id)).reasons).toMatchObject([{ code: 'policy' }]);
    expect((await explain(foreign.id)).agents.find(({ agent_id }) => agent_id === agent.id)).toMatchObject({
      reasons: [{ code: 'policy', message: expect.stringContaining('allowed_commands') }],
    });
    expect((await dequeue(agent.token)).status).toBe(204);
    const { id } = await create({ requires: [label], command: ['make', 'all'] });
    expect((await dequeue(agent.token)).json.tasks[0].id).toBe(id);
  });

  it('keeps tasks from it whose limits or sandbox its machine has not', async () => {
    const label = own();
    const agent = await register({ name: own(), labels: [label], limits: ['cpu_percent'], sandboxes: ['bubblewrap'] });
    const bounded = await create({ requires: [label], limits: { memory_bytes: 1_000_000 } });
    await create({ requires: [label], sandbox: 'container' });
    expect((await explain(bounded.id)).reasons).toMatchObject([{ code: 'limits_unavailable' }]);
    expect((await dequeue(agent.token)).status).toBe(204);
    const { id } = await create({ requires: [label], sandbox: 'bubblewrap', limits: { cpu_percent: 50 } });
    expect((await dequeue(agent.token)).json.tasks[0].id).toBe(id);
  });

  it('is refused where a pattern can take for ever', async () => {
    const body = { name: own(), policy: { denied_patterns: ['(a)\\1'] } };
    const { status, json } = await app.call('POST', '/api/v1/agents/register', { body });
    expect([status, json.errors[0].field]).toEqual([422, 'policy.denied_patterns.0']);
  });
});

it('a running task says that its host cannot be reached, and until when', async () => {
  const label = own();
  const agent = await register({ name: own(), labels: [label] });
  const { id } = await create({ requires: [label] });
  const { attempt } = (await dequeue(agent.token)).json.tasks[0];
  await app.call('POST', `/api/v1/attempts/${attempt.id}/start`, { token: agent.token, body: {} });
  await sql`
    update attempts set dead_by = '2099-01-01T00:00:00Z',
      contact = '{"state": "unreachable", "since": "2026-11-21T00:00:00.000000Z"}'
    where id = ${attempt.id}`.execute(app.deps.db);
  await app.call('POST', `/api/v1/tasks/${id}/cancel`, { body: {} });
  const told = await explain(id);
  expect(codes(told.reasons)).toEqual(['not_pending', 'stop_asked', 'host_unreachable']);
  expect(told.reasons[2]?.until).toBe('2099-01-01T00:00:00.000000Z');
});
