import { randomUUIDv7 } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startLoops } from '../../src/loops/index.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { readLog } from '../../src/usecases/log/read-log.ts';
import { cancelTask } from '../../src/usecases/task/cancel-task.ts';
import { getAttempt, getTask, listAttempts, listEvents } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { describeIf } from '../support/require.ts';
import { sshHostOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

const log = { debug() {}, info() {}, warn() {}, error: console.error };

describeIf('sshd', 'the loops over a real SSH host', () => {
  let sshd: Sshd;
  let deps: Deps & { stop(): Promise<void> };
  let loops: { stop(): Promise<void> };
  const installation = { id: randomUUIDv7(), secret: Buffer.from('secret') };

  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());
  beforeEach(async () => {
    deps = await createTestDeps(await createTestDatabase(), {
      leases: { seconds: 5, renewSeconds: 1, sweepSeconds: 1 },
    });
    await syncHosts(deps, [{ id: 'h1', labels: ['linux'], capacity: 2 }]);
    loops = await start();
  });
  afterEach(async () => {
    await loops.stop();
    await deps.stop();
  });

  const start = () => {
    const host = sshHostOf(sshd, { installationId: installation.id });
    return startLoops({
      deps,
      installation,
      hosts: [{ id: 'h1', lostAfterSeconds: 600, tryOut: async () => null, ...host }],
      probeSeconds: 1,
      publicUrl: () => 'http://127.0.0.1:1',
      metrics: createMetrics({ ofProcess: false }),
      log,
    });
  };
  const ended = async (id: string) =>
    waitFor(
      async () => {
        const task = await getTask(deps, id);
        return task?.finishedAt ? task : null;
      },
      { what: 'the task has ended' },
    );
  const stdout = async (attemptId: string) => Buffer.from((await readLog(deps, attemptId, 'stdout'))?.bytes ?? []);

  it('a task runs on the host: input, environment, log, exit code and process are true', async () => {
    const { id } = await createTask(
      deps,
      alice,
      newTask({
        requires: ['linux'],
        command: ['sh', '-c', 'cat; echo "$GREETING $TASKEJO_TASK_ID"; echo oops >&2; exit 3'],
        input: 'from standard input\n',
        environment: { GREETING: "it's $HOME" },
      }),
    );
    const task = await ended(id);
    expect(task).toMatchObject({
      status: 'failed',
      executionMode: 'ssh_cli',
      assignedAgentId: 'h1',
      result: { outcome: 'failed', failureClass: 'exit', exitCode: 3 },
      attempt: { process: { pid: expect.any(Number) }, contact: { state: 'ok' } },
    });
    const attempt = await getAttempt(deps, task.attempt?.id ?? '');
    expect(String(await stdout(attempt?.id ?? ''))).toBe(`from standard input\nit's $HOME ${id}\n`);
    expect(attempt?.streams).toMatchObject({ stdout: { truncated: false }, stderr: { bytes: 5, storedBytes: 5 } });
    const { items } = await listEvents(deps, id, { limit: 20, cursor: null });
    expect(items.map((event) => event.type)).toEqual(['created', 'assigned', 'started', 'failed']);
  });

  it('a replica that stops leaves the command running, and the next one goes on with the same attempt', async () => {
    const command = ['sh', '-c', 'i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit 7'];
    const { id } = await createTask(deps, alice, newTask({ requires: ['linux'], command }));
    const running = await waitFor(async () => {
      const task = await getTask(deps, id);
      return task?.attempt?.process && (await stdout(task.attempt.id)).includes('line 3') ? task : null;
    });
    await loops.stop();
    loops = await start();
    const task = await ended(id);
    expect(task).toMatchObject({ status: 'failed', result: { exitCode: 7 }, attempt: { id: running.attempt?.id } });
    expect((await listAttempts(deps, id, { limit: 9, cursor: null })).items).toHaveLength(1);
    const lines = Array.from({ length: 40 }, (_, n) => `line ${n}\n`).join('');
    expect(String(await stdout(task.attempt?.id ?? ''))).toBe(lines);
    const { items } = await listEvents(deps, id, { limit: 20, cursor: null });
    expect(items.map((event) => event.type)).toContain('reattached');
  });

  it('a cancel ends the command on the host', async () => {
    const { id } = await createTask(deps, alice, newTask({ requires: ['linux'], command: ['sleep', '300'] }));
    await waitFor(async () => (await getTask(deps, id))?.attempt?.process ?? null);
    await cancelTask(deps, alice, id, 'enough');
    expect(await ended(id)).toMatchObject({ status: 'cancelled', result: { outcome: 'cancelled' } });
  });

  it('what is to stop is stopped without waiting for the next renewal, and what is more urgent has its place', async () => {
    await loops.stop();
    deps.settings = {
      ...deps.settings,
      leases: { seconds: 300, renewSeconds: 290, sweepSeconds: 1 },
      preemption: { gap: 3, minRunSeconds: 0, maxPerTask: 2 },
    };
    loops = await start();
    const sleeping = { requires: ['linux'], command: ['sleep', '300'] };
    const older = await createTask(deps, alice, newTask(sleeping));
    const newer = await createTask(deps, alice, newTask(sleeping));
    for (const { id } of [older, newer]) await waitFor(async () => (await getTask(deps, id))?.attempt?.process ?? null);
    const { id } = await createTask(deps, alice, newTask({ requires: ['linux'], command: ['true'], priority: 8 }));
    expect(await ended(id)).toMatchObject({ status: 'completed' });
    const { items } = await listEvents(deps, newer.id, { limit: 20, cursor: null });
    expect(items.map((event) => event.type)).toEqual(expect.arrayContaining(['cancel_requested', 'preempted']));
    await cancelTask(deps, alice, older.id, 'enough');
    expect(await ended(older.id)).toMatchObject({ status: 'cancelled' });
  });

  it('a task runs longer than its timeout and is ended on the host', async () => {
    const { id } = await createTask(
      deps,
      alice,
      newTask({ requires: ['linux'], command: ['sleep', '300'], timeoutSeconds: 1 }),
    );
    expect(await ended(id)).toMatchObject({ status: 'failed', result: { failureClass: 'timeout' } });
  });

  it('a host that goes away is offline, and online again when it is back', async () => {
    const { id } = await createTask(
      deps,
      alice,
      newTask({ requires: ['linux'], command: ['sh', '-c', 'echo begin; sleep 4; echo end'] }),
    );
    await waitFor(async () => (await getTask(deps, id))?.attempt?.process ?? null);
    await sshd.kill();
    const online = () => deps.db.selectFrom('agents').select(['online', 'state_reason']).executeTakeFirstOrThrow();
    await waitFor(async () => !(await online()).online);
    expect((await online()).state_reason).toMatchObject({ code: 'unreachable' });
    await sshd.restart();
    const task = await ended(id);
    expect(task).toMatchObject({ status: 'completed', attempt: { number: 1 } });
    expect(String(await stdout(task.attempt?.id ?? ''))).toBe('begin\nend\n');
  });
});
