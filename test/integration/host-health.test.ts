import { randomUUIDv7 } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { agentState } from '../../src/domain/agent.ts';
import { NO_LIMITS } from '../../src/domain/task.ts';
import { whatIsWrong } from '../../src/executor/preflight.ts';
import type { Host } from '../../src/loops/hosts.ts';
import { startLoops } from '../../src/loops/index.ts';
import { createMetrics } from '../../src/metrics.ts';
import { findAgent } from '../../src/store/agents.ts';
import { judgeAgents } from '../../src/usecases/attempt/judge-agent.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { explainTask } from '../../src/usecases/task/explain-task.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { describeIf } from '../support/require.ts';
import { sshHostOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { alice, newTask } from '../support/tasks.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const alarms: string[] = [];
const log = {
  debug() {},
  info() {},
  warn() {},
  error: (_: object, message: string) => void alarms.push(message),
};

describeIf('sshd', 'the health of hosts', () => {
  let sshd: Sshd;
  let deps: Deps & { stop(): Promise<void> };
  let loops: { stop(): Promise<void> } | null;
  const installation = { id: randomUUIDv7(), secret: Buffer.from('secret') };

  beforeEach(async () => {
    alarms.length = 0;
    deps = await createTestDeps(await createTestDatabase());
    loops = null;
  });
  afterEach(async () => {
    await loops?.stop();
    await deps.stop();
    await sshd.stop();
  });

  const start = (...ids: string[]) => startWith({}, ...ids);
  const startWith = async (more: Partial<Host>, ...ids: string[]) => {
    const open = (installationId: string) => sshHostOf(sshd, { installationId });
    loops = await startLoops({
      deps,
      installation,
      hosts: ids.map((id) => ({
        id,
        lostAfterSeconds: 600,
        tryOut: (signal) => whatIsWrong(open, signal),
        ...open(installation.id),
        ...more,
      })),
      probeSeconds: 0.5,
      publicUrl: () => 'http://127.0.0.1:1',
      metrics: createMetrics({ ofProcess: false }),
      log,
    });
  };
  const agent = async (id: string) => {
    const found = await findAgent(deps.db, id);
    if (found === null) throw new Error('the agent is gone');
    return found;
  };
  const isEnded = (id: string) => async () => {
    const task = await getTask(deps, id);
    return task?.finishedAt ? task : null;
  };

  it('a task whose limits a host can not keep is not sent there, says so, and holds up nobody', async () => {
    sshd = await startSshd();
    await syncHosts(deps, [{ id: 'box', labels: [], capacity: 1 }]);
    const kept = { cpuPercent: 'no cgroup', memoryBytes: null, processes: null, fileSizeBytes: null };
    await startWith({ keptLimits: async () => kept }, 'box');
    const limitsOf = async () => (await deps.db.selectFrom('agents').select('limits').executeTakeFirst())?.limits;
    const known = ['memory_bytes', 'processes', 'file_size_bytes'];
    await waitFor(async () => (await limitsOf())?.join() === known.join());
    const cpu = { ...NO_LIMITS, cpuPercent: 50 };
    const first = await createTask(deps, alice, newTask({ limits: cpu, command: ['true'] }));
    const second = await createTask(deps, alice, newTask({ sandbox: 'container', command: ['true'] }));
    const third = await createTask(deps, alice, newTask({ limits: { ...cpu, cpuPercent: null }, command: ['true'] }));
    expect(await waitFor(isEnded(third.id))).toMatchObject({ status: 'completed' });
    for (const [{ id }, missing] of [
      [first, 'cpu_percent'],
      [second, 'container'],
    ] as const) {
      expect(await getTask(deps, id)).toMatchObject({ status: 'pending', attempt: null });
      const explained = await explainTask(deps, id, null);
      expect(explained?.agents[0]?.reasons).toMatchObject([{ code: 'limits_unavailable', missing: [missing] }]);
    }
  });

  it('an isolated host is tried with a command of our own: it says what failed, and is let back when nothing does', async () => {
    const folder = temporaryFolder();
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'loginctl'), '#!/bin/sh\n[ "$3" = KillUserProcesses ] && echo $3=yes\n');
    chmodSync(join(bin, 'loginctl'), 0o755);
    sshd = await startSshd({ environment: { PATH: `${bin}:${process.env.PATH}` } });
    await syncHosts(deps, [{ id: 'h1', labels: ['linux'], capacity: 2 }]);
    const lost = { agentId: 'h1', outcome: 'lost' as const, failureClass: null, ownFailure: false, error: 'vanished' };
    await judgeAgents(
      deps,
      [1, 2, 3].map(() => ({ ...lost, taskId: randomUUIDv7() })),
    );
    expect(await agent('h1')).toMatchObject({ cordoned: true, stateReason: { code: 'isolated' } });

    const { id } = await createTask(deps, alice, newTask({ requires: ['linux'], command: ['true'] }));
    await start('h1');
    await waitFor(async () => (await agent('h1')).stateReason?.message.includes('KillExcludeUsers'));
    expect(await agent('h1')).toMatchObject({ online: true, cordoned: true, stateReason: { code: 'isolated' } });
    expect(await getTask(deps, id)).toMatchObject({ status: 'pending' });

    rmSync(join(bin, 'loginctl'));
    expect(await waitFor(isEnded(id))).toMatchObject({ status: 'completed', assignedAgentId: 'h1' });
    expect(await agent('h1')).toMatchObject({ cordoned: false, stateReason: null });
    expect(alarms).toEqual([]);
  });

  it('of two entries that lead to one control folder the second is parked, and the first has the work', async () => {
    sshd = await startSshd();
    await syncHosts(
      deps,
      ['h1', 'h2'].map((id) => ({ id, labels: ['linux'], capacity: 1 })),
    );
    await start('h1', 'h2');
    await waitFor(async () => (await agent('h2')).stateReason?.code === 'duplicate_store');
    expect(agentState(await agent('h2'))).toBe('cordoned');
    expect((await agent('h2')).stateReason?.message).toContain('host h1');
    const tasks = await Promise.all(
      [1, 2, 3].map(() => createTask(deps, alice, newTask({ requires: ['linux'], command: ['true'] }))),
    );
    for (const { id } of tasks) {
      expect(await waitFor(isEnded(id))).toMatchObject({ status: 'completed', assignedAgentId: 'h1' });
    }
    expect(agentState(await agent('h1'))).toBe('online');
    expect(alarms).toEqual(['host is parked']);
  });
});
