import { randomUUIDv7 } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts';
import { expectHealthy } from '../support/examine.ts';
import { createInsistentClient, type Heard } from '../support/insistent-client.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../support/recordings.ts';
import { startReplica } from '../support/replica.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { cloneDatabase } from '../support/test-server.ts';
import { waitFor } from '../support/wait-for.ts';

const CHANGE = /insert into "?events"?/;

/** A server whose way to the database loses answers, an agent, and a client that asks again. */
async function world() {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const way = await startDatabaseProxy(databaseUrl);
  const file = join(temporaryFolder(), 'taskejo.yaml');
  const forges = [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] }];
  const templates = [{ name: 'fix', command: ['true'], requires: ['nobody'] }];
  writeFileSync(file, JSON.stringify({ forges, templates }), { mode: 0o600 });
  const { url } = await startReplica({ databaseUrl: way.url, env: { TASKEJO_CONFIG: file } });
  const client = createInsistentClient([url]);
  const { json } = await client.ask('POST', '/api/v1/agents/register', { body: { name: 'a', capacity: 9 } });
  const token: string = json.token;
  return {
    url,
    databaseUrl,
    way,
    client,
    post: (path: string, body: unknown, more = {}) => client.ask('POST', `/api/v1${path}`, { body, ...more }),
    asAgent: (path: string, body: unknown) => client.ask('POST', `/api/v1${path}`, { body, token }),
    types: async (id: string) => {
      const { json: events } = await client.ask('GET', `/api/v1/tasks/${id}/events`);
      return events.items.map(({ type }: { type: string }) => type);
    },
  };
}

/** Does something that changes a task, and loses the answer to its commit once. */
async function losing(way: DatabaseProxy, act: () => Promise<Heard>): Promise<Heard> {
  const loss = way.loseAnswer(CHANGE);
  const heard = await act();
  expect(loss.lost()).toBe(1);
  return heard;
}

test('a task is made once by an Idempotency-Key, and by its own id, however often it was asked for', async () => {
  const { databaseUrl, way, client, post, types } = await world();
  const task = { title: 'once', command: ['true'] };
  const id = randomUUIDv7();
  const ids = [randomUUIDv7(), randomUUIDv7()];
  const byKey = await losing(way, () => post('/tasks', task, { key: 'a key' }));
  const byId = await losing(way, () => post('/tasks', { ...task, id }));
  const several = await losing(way, () =>
    post(
      '/tasks',
      ids.map((one) => ({ ...task, id: one })),
    ),
  );
  expect([byKey, byId, several].map(({ replayed }) => replayed)).toEqual([true, true, true]);
  const { json } = await client.ask('GET', '/api/v1/tasks');
  const made = [byKey.json.id, id, ...ids];
  expect(json.items.map((one: { id: string }) => one.id).sort()).toEqual(made.sort());
  for (const one of made) expect(await types(one)).toEqual(['created']);
  await expectHealthy({ databaseUrl });
});

test('a task is taken, started and completed once', async () => {
  const { databaseUrl, way, client, post, asAgent, types } = await world();
  for (const start of [false, true]) {
    const { json: task } = await post('/tasks', { title: 'once', command: ['true'] });
    const dequeue = { request_id: `request ${start}`, wait_seconds: 5 };
    const taken = await losing(way, () => asAgent('/tasks/dequeue', dequeue));
    expect(taken.json.tasks.map(({ id }: { id: string }) => id)).toEqual([task.id]);
    const attempt = `/attempts/${taken.json.tasks[0].attempt.id}`;
    if (start) await losing(way, () => asAgent(`${attempt}/start`, {}));
    const ended = await losing(way, () => asAgent(`${attempt}/complete`, { outcome: 'completed', summary: 'done' }));
    expect(ended).toMatchObject({ status: 200, json: { task_status: 'completed' } });
    expect(await types(task.id)).toEqual(['created', 'assigned', ...(start ? ['started'] : []), 'completed']);
    expect((await client.ask('GET', `/api/v1/tasks/${task.id}/attempts`)).json.items).toHaveLength(1);
  }
  await expectHealthy({ databaseUrl });
});

test('an agent that waits is told of what was taken for it, also when its time is over meanwhile', async () => {
  const { url, databaseUrl, way, client, post, asAgent, types } = await world();
  const asking = asAgent('/tasks/dequeue', { request_id: 'waits', wait_seconds: 1 });
  await waitFor(async () => /^taskejo_waiting_agents 1$/m.test(await (await fetch(`${url}/metrics`)).text()));
  const loss = way.loseAnswer(/insert into "?attempts"?/);
  const { json: task } = await post('/tasks', { title: 'once', command: ['true'] });
  const taken = await asking;
  expect([taken.status, taken.json?.tasks[0].id]).toEqual([200, task.id]);
  expect([loss.lost(), client.statuses.get(204), client.statuses.get(503)]).toEqual([1, undefined, 1]);
  expect(await types(task.id)).toEqual(['created', 'assigned']);
  await expectHealthy({ databaseUrl });
});

test('several tasks are completed once by one request', async () => {
  const { databaseUrl, way, client, post, asAgent, types } = await world();
  await post('/tasks', [
    { title: 'one', command: ['true'] },
    { title: 'other', command: ['true'], max_retries: 1 },
  ]);
  const { json: taken } = await asAgent('/tasks/dequeue', { max_tasks: 2 });
  const items = taken.tasks.map((task: { title: string; attempt: { id: string } }) => ({
    attempt_id: task.attempt.id,
    ...(task.title === 'one' ? { outcome: 'completed' } : { outcome: 'failed', exit_code: 1 }),
  }));
  const ended = await losing(way, () => asAgent('/attempts/complete', { items }));
  expect(ended.json.items.map(({ status }: { status: number }) => status)).toEqual([200, 200]);
  for (const { id, title } of taken.tasks) {
    expect(await types(id)).toEqual(['created', 'assigned', title === 'one' ? 'completed' : 'failed']);
    const { json } = await client.ask('GET', `/api/v1/tasks/${id}`);
    expect([json.status, json.retries]).toEqual(title === 'one' ? ['completed', 0] : ['pending', 1]);
  }
  await expectHealthy({ databaseUrl });
});

test('what a person asked of a task happens once', async () => {
  const { databaseUrl, way, post, types } = await world();
  const { json: task } = await post('/tasks', { title: 'once', command: ['true'] });
  expect((await losing(way, () => post(`/tasks/${task.id}/cancel`, { reason: 'why' }))).status).toBe(200);
  expect(await types(task.id)).toEqual(['created', 'cancelled']);
  await expectHealthy({ databaseUrl });
});

test('a delivery makes one task, however often the forge sends it', async () => {
  const { url, databaseUrl, way, client, types } = await world();
  const { headers, body } = recorded('v15', 'alice comments: /run fix this please');
  const sent = headers.filter(([name]) => /^(?:x-|content-type)/i.test(name));
  const send = () => fetch(`${url}/webhooks/forgejo`, { method: 'POST', headers: sent, body });
  const loss = way.loseAnswer(CHANGE);
  expect((await send()).status).toBe(503);
  expect(loss.lost()).toBe(1);
  const again = await send();
  const { json } = await client.ask('GET', '/api/v1/tasks');
  expect(json.items).toHaveLength(1);
  expect([again.status, await again.json()]).toMatchObject([202, { task_ids: [json.items[0].id] }]);
  expect(await types(json.items[0].id)).toEqual(['created']);
  await expectHealthy({ databaseUrl });
});
