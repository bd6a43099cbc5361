import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { attempt as attemptShape, dequeued } from '../../src/contract/attempt.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { somebodyWaits } from '../support/locks.ts';
import { waitFor } from '../support/wait-for.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

let count = 0;
/** An agent and the label that only its tasks require. */
async function newAgent(capacity = 3) {
  count += 1;
  const label = `only-${count}`;
  const { id, token } = await app.agent(`agent-${count}`, [label], capacity);
  const create = async (more: object = {}) =>
    (await app.call('POST', '/api/v1/tasks', { body: { title: 't', command: ['true'], requires: [label], ...more } }))
      .json;
  const dequeue = (body: object = {}) => app.call('POST', '/api/v1/tasks/dequeue', { token, body });
  const say = (attemptId: string, verb: string, body?: object) =>
    app.call('POST', `/api/v1/attempts/${attemptId}/${verb}`, { token, body });
  return { id, token, create, dequeue, say };
}

describe('an agent that pulls', () => {
  it('takes a task, starts it, streams its log, says how far it is, and completes it', async () => {
    const agent = await newAgent();
    const made = await agent.create();
    const taken = await agent.dequeue();
    expect(taken.status).toBe(200);
    const [task] = dequeued.parse(taken.json).tasks;
    expect(task).toMatchObject({ id: made.id, status: 'assigned', execution_mode: 'http_pull' });
    const attemptId = task?.attempt.id ?? '';
    expect(task?.attempt).toMatchObject({ number: 1, lease_seconds: 30, renew_seconds: 10 });

    const process = { pid: 4711, started_at: '17', boot_id: 'b' };
    expect((await agent.say(attemptId, 'start', { process })).json).toMatchObject({
      status: 'running',
      attempt: { process },
    });
    const put = await app.call('PUT', `/api/v1/attempts/${attemptId}/log/stdout?offset=0`, {
      token: agent.token,
      body: 'hello\n',
      headers: { 'Content-Type': 'application/octet-stream' },
    });
    expect(put.json).toEqual({ next_offset: 6, followed: false });
    expect((await agent.say(attemptId, 'progress', { percent: 40, message: 'half' })).json).toEqual({});
    expect((await agent.say(attemptId, 'renew')).json).toMatchObject({ lease_seconds: 30, cancel_requested: false });

    const said = {
      outcome: 'completed',
      exit_code: 0,
      summary: 'fine',
      output: { n: [1] },
      usage: { wall_seconds: 2 },
    };
    const done = await agent.say(attemptId, 'complete', said);
    expect(done.json).toEqual({ attempt_id: attemptId, task_id: made.id, task_status: 'completed' });
    const { json: attempt } = await app.call('GET', `/api/v1/attempts/${attemptId}`);
    z.strictObject(attemptShape.shape).parse(attempt);
    expect(attempt).toMatchObject({
      outcome: 'completed',
      exit_code: 0,
      process,
      stdout: { bytes: 6, stored_bytes: 6 },
    });
    const { json: final } = await app.call('GET', `/api/v1/tasks/${made.id}`);
    expect(final).toMatchObject({
      status: 'completed',
      result: { outcome: 'completed', output: { n: [1] }, summary: 'fine', attempt_id: attemptId },
    });
  });

  it('that does not stream gives its output with the result', async () => {
    const agent = await newAgent();
    await agent.create();
    const { attempt } = (await agent.dequeue()).json.tasks[0];
    const said = { outcome: 'failed', exit_code: 3, stdout: { text: 'out\n' }, stderr: { text: 'err\n' } };
    const complete = () => agent.say(attempt.id, 'complete', said);
    expect((await complete()).json.task_status).toBe('failed');
    expect((await complete()).status).toBe(200);
    expect((await app.call('GET', `/api/v1/attempts/${attempt.id}/log/stderr`)).text).toBe('err\n');
    expect((await app.call('GET', `/api/v1/attempts/${attempt.id}`)).json.failure_class).toBe('exit');
  });

  it('is told when it says something else about an ended attempt, or something about one that is unknown', async () => {
    const agent = await newAgent();
    await agent.create();
    const { attempt } = (await agent.dequeue()).json.tasks[0];
    await agent.say(attempt.id, 'start');
    await agent.say(attempt.id, 'complete', { outcome: 'completed' });
    for (const [verb, body] of [['complete', { outcome: 'failed' }], ['renew'], ['start'], ['progress']] as const) {
      const { status, json } = await agent.say(attempt.id, verb, body);
      expect([verb, status, json.code]).toEqual([verb, 409, 'attempt_finished']);
    }
    const unknown = crypto.randomUUID();
    expect((await agent.say(unknown, 'complete', { outcome: 'completed' })).json.code).toBe('lease_lost');
    expect((await agent.say(unknown, 'renew')).status).toBe(404);
  });

  it('says the same again and is answered the same, though the task has gone on', async () => {
    const agent = await newAgent();
    await agent.create({ max_retries: 1, retry_delay_seconds: 0 });
    const { attempt } = (await agent.dequeue()).json.tasks[0];
    const say = async () => (await agent.say(attempt.id, 'complete', { outcome: 'failed', exit_code: 1 })).json;
    const first = await say();
    expect(first).toMatchObject({ task_status: 'pending' });
    const second = (await agent.dequeue()).json.tasks[0].attempt;
    expect(await say()).toEqual(first);
    await agent.say(second.id, 'complete', { outcome: 'completed' });
    expect(await say()).toEqual(first);
  });

  it('is told of each of several results that it says together what it would be told of that alone', async () => {
    const agent = await newAgent();
    for (const _ of [1, 2, 3]) await agent.create();
    const ids = (await agent.dequeue({ max_tasks: 3 })).json.tasks.map(
      ({ attempt }: { attempt: { id: string } }) => attempt.id,
    );
    const [first, second, third] = ids;
    const unknown = crypto.randomUUID();
    const items = [
      { attempt_id: first, outcome: 'completed', exit_code: 7 },
      { attempt_id: second, outcome: 'failed', exit_code: 7 },
      { attempt_id: unknown, outcome: 'completed' },
      { attempt_id: third, outcome: 'done' },
      { attempt_id: second, outcome: 'failed', exit_code: 7 },
      { attempt_id: third, outcome: 'completed' },
    ];
    const say = (body: object) => app.call('POST', '/api/v1/attempts/complete', { token: agent.token, body });
    const { status, json } = await say({ items });
    expect([status, json.items]).toEqual([
      200,
      [
        { attempt_id: first, status: 422, code: 'invalid', task_status: null },
        { attempt_id: second, status: 200, code: null, task_status: 'failed' },
        { attempt_id: unknown, status: 409, code: 'lease_lost', task_status: null },
        { attempt_id: third, status: 422, code: 'invalid', task_status: null },
        { attempt_id: second, status: 200, code: null, task_status: 'failed' },
        { attempt_id: third, status: 200, code: null, task_status: 'completed' },
      ],
    ]);
    const without = await say({ items: [{ outcome: 'completed' }] });
    expect([without.status, without.json.errors]).toEqual([
      422,
      [{ field: 'items.0.attempt_id', message: 'is missing' }],
    ]);
  });

  it('hands back what it did not start, and gets it again', async () => {
    const agent = await newAgent();
    const made = await agent.create();
    const { attempt } = (await agent.dequeue()).json.tasks[0];
    const released = await agent.say(attempt.id, 'complete', { outcome: 'released' });
    expect(released.json.task_status).toBe('pending');
    expect((await agent.dequeue()).json.tasks[0]).toMatchObject({ id: made.id, attempt: { number: 2 }, retries: 0 });
  });

  it('gets as many tasks as it has places, and 204 when there is nothing', async () => {
    const agent = await newAgent(2);
    for (const _ of [1, 2, 3]) await agent.create();
    expect((await agent.dequeue({ max_tasks: 100 })).json.tasks).toHaveLength(2);
    const none = await agent.dequeue();
    expect([none.status, none.text]).toEqual([204, '']);
  });

  it('gets a task although many others ask at the same moment, as long as there are enough', async () => {
    const label = 'crowded';
    const crowd = await Promise.all(Array.from({ length: 10 }, (_, n) => app.agent(`crowd-${n}`, [label])));
    for (const _ of crowd) {
      await app.call('POST', '/api/v1/tasks', { body: { title: 't', command: ['true'], requires: [label] } });
    }
    const answers = await Promise.all(crowd.map(({ token }) => app.call('POST', '/api/v1/tasks/dequeue', { token })));
    expect(answers.map(({ status }) => status)).toEqual(crowd.map(() => 200));
    const taken = answers.map(({ json }) => json.tasks[0].id);
    expect(new Set(taken).size).toBe(crowd.length);
  });

  it('beats: what it holds is renewed, what is to stop or lost is named', async () => {
    const agent = await newAgent();
    for (const _ of [1, 2]) await agent.create();
    const { tasks } = (await agent.dequeue({ max_tasks: 2 })).json;
    const [kept, cancelled] = tasks;
    await app.call('POST', `/api/v1/tasks/${cancelled.id}/cancel`);
    const unknown = crypto.randomUUID();
    const body = { attempt_ids: [kept.attempt.id, cancelled.attempt.id, unknown], metrics: { load_1m: 0.5 } };
    const { json } = await app.call('POST', '/api/v1/agents/me/heartbeat', { token: agent.token, body });
    expect(json).toMatchObject({
      cancel: [{ attempt_id: cancelled.attempt.id, reason: 'cancel' }],
      lost: [unknown],
      draining: false,
      generation: 1,
    });
    expect(json.renewed.map((one: { attempt_id: string }) => one.attempt_id)).toContain(kept.attempt.id);
    const shown = await app.call('GET', `/api/v1/agents/${agent.id}`);
    expect(shown.json).toMatchObject({ online: true, running: 2, metrics: { load_1m: 0.5 } });
  });
});

it('an agent that has seen a later generation of the database is believed no further than a line in the log', async () => {
  const agent = await newAgent();
  const beat = (seen: number) => {
    const body = { attempt_ids: [], generation_seen: seen };
    return app.call('POST', '/api/v1/agents/me/heartbeat', { token: agent.token, body });
  };
  const alarms = () => app.logged.filter(({ level }) => level === 'error');
  expect([(await beat(1)).status, alarms()]).toEqual([200, []]);
  expect((await beat(2)).json).toMatchObject({ generation: 1 });
  expect(alarms()).toMatchObject([{ fields: { agentId: agent.id, generation: 1, generationSeen: 2 } }]);
});

it('an agent is seen to live by any call that comes half a beat after the last', async () => {
  const leases = { seconds: 30, renewSeconds: 1, sweepSeconds: 2 };
  await using parts = new AsyncDisposableStack();
  const brisk = parts.adopt(await startTestApp({ settings: { leases } }), (other) => other.stop());
  const { id, token } = await brisk.agent('brisk', []);
  const seenAt = async () => (await brisk.call('GET', `/api/v1/agents/${id}`)).json.last_seen_at;
  await sql`update agents set last_seen_at = now() - interval '0.6 seconds' where id = ${id}`.execute(
    brisk.database.db,
  );
  const before = await seenAt();
  expect((await brisk.call('POST', '/api/v1/tasks/dequeue', { token })).status).toBe(204);
  expect(await seenAt()).not.toBe(before);
});

describe('an agent that waits', () => {
  it('is answered as soon as there is a task', async () => {
    const agent = await newAgent();
    const waiting = agent.dequeue({ wait_seconds: 60 });
    const made = await agent.create();
    expect((await waiting).json.tasks[0].id).toBe(made.id);
  });

  it('is given nothing any more once its token is revoked', async () => {
    const agent = await newAgent();
    const { json: token } = await app.call('POST', '/api/v1/tokens', {
      body: { name: 'another', scope: 'agent', agent_name: 'revoked-as-it-waits' },
    });
    await app.call('PATCH', `/api/v1/agents/${token.agent_id}`, { body: { labels: ['revoked'] } });
    const body = { wait_seconds: 60, request_id: 'r' };
    const waiting = app.call('POST', '/api/v1/tasks/dequeue', { token: token.token, body });
    const other = agent.dequeue({ wait_seconds: 60 });
    await waitFor(async () => (await app.call('GET', `/api/v1/agents/${token.agent_id}`)).json.online);
    await app.call('DELETE', `/api/v1/tokens/${token.id}`);
    const made = await app.call('POST', '/api/v1/tasks', {
      body: { title: 't', command: ['true'], requires: ['revoked'] },
    });
    const { status, json } = await waiting;
    expect([status, json.code]).toEqual([401, 'unauthenticated']);
    const task = () => app.call('GET', `/api/v1/tasks/${made.json.id}`);
    await waitFor(async () => (await task()).json.status === 'pending');
    await agent.create();
    expect((await other).status).toBe(200);
  });

  it('is seen to live all the while', async () => {
    const leases = { seconds: 30, renewSeconds: 1, sweepSeconds: 2 };
    await using parts = new AsyncDisposableStack();
    const brisk = parts.adopt(await startTestApp({ settings: { leases } }), (other) => other.stop());
    const { id, token } = await brisk.agent('patient', []);
    const hangUp = new AbortController();
    const body = { wait_seconds: 60 };
    const waiting = brisk.call('POST', '/api/v1/tasks/dequeue', { token, body, signal: hangUp.signal });
    const agent = async () => (await brisk.call('GET', `/api/v1/agents/${id}`)).json;
    await waitFor(async () => (await agent()).online);
    const { db } = brisk.database;
    // Whenever it was seen last, each beat is noted.
    for (let round = 0; round < 2; round++) {
      await db.updateTable('agents').set({ last_seen_at: '2099-01-01T00:00:00Z' }).where('id', '=', id).execute();
      await waitFor(async () => !(await agent()).last_seen_at.startsWith('2099'));
    }
    hangUp.abort();
    await expect(waiting).rejects.toThrow();
  });

  it('is answered 204 when its time is over', async () => {
    const agent = await newAgent();
    const beganMs = performance.now();
    expect((await agent.dequeue({ wait_seconds: 1 })).status).toBe(204);
    expect(performance.now() - beganMs).toBeGreaterThan(900);
  });

  it('and hangs up before it is told of a task has it handed back at once', async () => {
    const agent = await newAgent();
    const made = await agent.create();
    const hangUp = new AbortController();
    const { db } = app.database;
    // Whoever holds the agent's row holds its claim up, so that the hang-up surely comes first.
    await db.transaction().execute(async (trx) => {
      await trx.selectFrom('agents').select('id').where('id', '=', agent.id).forUpdate().execute();
      const asking = app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token, signal: hangUp.signal });
      const gone = expect(asking).rejects.toThrow();
      await waitFor(() => somebodyWaits(db));
      hangUp.abort();
      await gone;
      // Answers over other connections: by then the server has seen that this one is closed.
      for (let n = 0; n < 20; n++) await app.call('GET', '/healthz');
    });
    const events = await waitFor(async () => {
      const { json } = await app.call('GET', `/api/v1/tasks/${made.id}/events`);
      return json.items.length === 3 ? json.items : null;
    });
    expect(events).toMatchObject([
      { type: 'created' },
      { type: 'assigned' },
      { type: 'released', to_status: 'pending' },
    ]);
    expect((await agent.dequeue()).json.tasks[0]).toMatchObject({
      id: made.id,
      infra_retries: 0,
      attempt: { number: 2 },
    });
  });

  it('and repeats its request gets the same attempts, with new tokens', async () => {
    const agent = await newAgent();
    await agent.create();
    const ask = async () => (await agent.dequeue({ request_id: 'r1' })).json.tasks[0].attempt;
    const first = await ask();
    const again = await ask();
    expect(again).toMatchObject({ id: first.id, number: 1 });
    expect(again.token).not.toBe(first.token);
    const start = (token: string) => app.call('POST', `/api/v1/attempts/${first.id}/start`, { token });
    expect((await start(first.token)).status).toBe(401);
    expect((await start(again.token)).status).toBe(200);
  });
});

describe('a server that stops', () => {
  let stopping: TestApp;
  beforeAll(async () => {
    stopping = await startTestApp();
  });
  afterEach(() => stopping.stop());

  it('answers who waits with 204, is not ready any more, and gives nothing out', async () => {
    const { token } = await stopping.agent('waiter');
    const dequeue = () => stopping.call('POST', '/api/v1/tasks/dequeue', { token, body: { wait_seconds: 60 } });
    const waiting = dequeue();
    await waitFor(async () => (await stopping.call('GET', '/readyz')).status === 200);
    stopping.beginToStop();
    expect((await waiting).status).toBe(204);
    await stopping.call('POST', '/api/v1/tasks', { body: { title: 'late', command: ['true'] } });
    expect((await dequeue()).status).toBe(204);
    const ready = await stopping.call('GET', '/readyz');
    expect([ready.status, ready.json.code]).toEqual([503, 'unavailable']);
    expect(ready.headers.get('retry-after')).toBe('2');
  });
});
