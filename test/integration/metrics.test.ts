import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { noteHostState } from '../../src/usecases/hosts/host-state.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { createSnapshotWatch } from '../../src/usecases/upkeep/watch-snapshots.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { waitFor } from '../support/wait-for.ts';
import { workOn } from '../support/worked-task.ts';

let app: TestApp;
let nowMs = 0;
beforeEach(async () => {
  nowMs = 0;
  app = await startTestApp({ figuresNowMs: () => nowMs });
});
afterEach(() => app.stop());

const scrape = async () => {
  const { text } = await app.call('GET', '/metrics', { token: null });
  return (line: string) => {
    const found = text.split('\n').find((one) => one.startsWith(`${line} `));
    return found === undefined ? null : Number(found.slice(line.length + 1));
  };
};

describe('the metrics', () => {
  it('are for anybody, in the format of Prometheus', async () => {
    const { status, headers, text } = await app.call('GET', '/metrics', { token: null });
    expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(text).toContain('# TYPE taskejo_http_request_duration_seconds histogram\n');
    expect(text).toContain('# TYPE taskejo_dispatch_pass_seconds histogram\n');
    expect(text).toContain('# TYPE taskejo_database_oldest_snapshot_seconds gauge\n');
  });

  it('are for who has a token, where the configuration says so', async () => {
    const closed = await startTestApp({ openMetrics: false });
    onTestFinished(() => closed.stop());
    const asked = async (token: string | null) => (await closed.call('GET', '/metrics', { token })).status;
    const { token } = await closed.agent('agent');
    expect([await asked(null), await asked(token), await asked(await closed.token('viewer'))]).toEqual([401, 403, 200]);
  });

  it('count requests by the route that answered', async () => {
    const { task } = await workOn(app.deps);
    for (let n = 0; n < 3; n++) await app.call('GET', `/api/v1/tasks/${task.id}`);
    await app.call('GET', '/nothing/here');
    const value = await scrape();
    const requests = (method: string, route: string, status: number) =>
      value(`taskejo_http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`);
    const { text } = await app.call('GET', '/metrics');
    expect(requests('GET', '/api/v1/tasks/:id', 200)).toBe(3);
    expect(text).not.toContain('/nothing/here');
  });

  it('say where tasks stand, how long the oldest has waited, and what happened in all', async () => {
    const worked = await workOn(app.deps);
    await worked.take();
    const { task } = await workOn(app.deps);
    await sql`update tasks set created_at = now() - interval '90 s' where id = ${task.id}`.execute(app.deps.db);
    const value = await scrape();
    const tasks = ['pending', 'assigned', 'completed'].map((status) => value(`taskejo_tasks{status="${status}"}`));
    expect(tasks).toEqual([1, 1, 0]);
    expect(Math.floor((value('taskejo_oldest_pending_seconds') ?? 0) / 30)).toBe(3);
    const events = ['created', 'assigned'].map((type) => value(`taskejo_events_total{type="${type}"}`));
    expect(events).toEqual([2, 1]);
    expect([value('taskejo_agents{state="online"}'), value('taskejo_database_up')]).toEqual([2, 1]);
  });

  it('say which hosts are not used, and why', async () => {
    await syncHosts(app.deps, [{ id: 'gpu-1', labels: [], capacity: 1 }]);
    const counts = async (reason: string) => (await scrape())(`taskejo_hosts_offline{reason="${reason}"}`);
    expect(await counts('host_key')).toBe(0);
    await noteHostState(app.deps, 'gpu-1', { online: false, code: 'host_key', message: 'showed another' });
    nowMs = 5_000;
    expect([await counts('host_key'), await counts('unreachable')]).toEqual([1, 0]);
    expect((await scrape())('taskejo_agents{state="cordoned"}')).toBe(1);
    await noteHostState(app.deps, 'gpu-1', { online: true });
    nowMs = 10_000;
    expect(await counts('host_key')).toBe(0);
  });

  it('say how the machines of agents do, as these said it last', async () => {
    const { token } = await app.agent('gpu-box');
    const gpus = [{ index: 0, name: 'A', utilization_percent: 83, temperature_celsius: null }];
    const metrics = { cpu_percent: 12.5, load_1m: 0, memory_used_bytes: null, gpus, custom: { answer: 42 } };
    const body = { attempt_ids: [], metrics };
    expect((await app.call('POST', '/api/v1/agents/me/heartbeat', { token, body })).status).toBe(200);
    const value = await scrape();
    const figure = (name: string) => value(`taskejo_agent_${name}{agent="gpu-box"}`);
    expect([figure('cpu_percent'), figure('load_1m'), figure('memory_used_bytes')]).toEqual([12.5, 0, null]);
    expect(value('taskejo_agent_gpu_utilization_percent{agent="gpu-box",gpu="0"}')).toBe(83);
    expect(value('taskejo_agent_gpu_temperature_celsius{agent="gpu-box",gpu="0"}')).toBeNull();
  });

  it('are refused where they are not what they are said to be', async () => {
    const { token } = await app.agent('typo');
    const body = { attempt_ids: [], metrics: { cpu_precent: 1, load_1m: -1 } };
    const { status, json } = await app.call('POST', '/api/v1/agents/me/heartbeat', { token, body });
    expect([status, json.errors.map(({ field }: { field: string }) => field)]).toEqual([
      422,
      expect.arrayContaining(['metrics.load_1m']),
    ]);
  });

  it('ask the database again only after a few seconds', async () => {
    await scrape();
    await workOn(app.deps);
    expect((await scrape())('taskejo_tasks{status="pending"}')).toBe(0);
    nowMs = 5_000;
    expect((await scrape())('taskejo_tasks{status="pending"}')).toBe(1);
  });

  it('are answered while the database is away, and say that it is', async () => {
    await app.database.close();
    expect((await scrape())('taskejo_database_up')).toBe(0);
  });

  it('say who waits here', async () => {
    const { token } = await app.agent('waiting');
    const hangUp = new AbortController();
    const body = { wait_seconds: 60 };
    app.call('POST', '/api/v1/tasks/dequeue', { token, body, signal: hangUp.signal }).catch(() => {});
    await waitFor(async () => (await scrape())('taskejo_waiting_agents') === 1);
    hangUp.abort();
    await waitFor(async () => (await scrape())('taskejo_waiting_agents') === 0);
  });
});

describe('an old transaction that keeps the database from cleaning up', () => {
  it('is told of once when it has become too old, and once when it is over', async () => {
    // Longer than a session of another test takes to begin, which is in no database meanwhile and counts everywhere.
    const look = createSnapshotWatch(app.deps, 2);
    expect((await look()).alarm).toBeNull();
    const old = await app.deps.db.startTransaction().setIsolationLevel('repeatable read').execute();
    await sql`select 1`.execute(old);
    const told = await waitFor(async () => {
      const { alarm } = await look();
      return alarm !== null && 'began' in alarm ? alarm.began : null;
    });
    expect(told).toMatchObject({ application: 'taskejo', since: expect.stringMatching(/Z$/) });
    const again = await look();
    expect([again.alarm, again.seconds > 2]).toEqual([null, true]);
    await old.rollback().execute();
    expect((await look()).alarm).toMatchObject({ ended: { pid: told.pid, since: told.since } });
    expect((await look()).alarm).toBeNull();
    await waitFor(async () => (await look()).seconds === 0);
  });
});
