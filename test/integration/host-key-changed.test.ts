import { randomUUIDv7 } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { agentState } from '../../src/domain/agent.ts';
import { startLoops } from '../../src/loops/index.ts';
import { createMetrics } from '../../src/metrics.ts';
import { findAgent } from '../../src/store/agents.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { readLog } from '../../src/usecases/log/read-log.ts';
import { getTask } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { describeIf } from '../support/require.ts';
import { sshHostOf } from '../support/ssh-host.ts';
import { startSshd } from '../support/sshd.ts';
import { alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

describeIf('sshd', 'a host that shows another key', () => {
  let deps: Deps & { stop(): Promise<void> };
  const ends: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    deps = await createTestDeps(await createTestDatabase(), {
      leases: { seconds: 5, renewSeconds: 1, sweepSeconds: 1 },
    });
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await deps.stop();
  });

  const sshdOf = async () => {
    const sshd = await startSshd();
    ends.push(() => sshd.stop());
    return sshd;
  };
  const host = async () => {
    const found = await findAgent(deps.db, 'h1');
    if (found === null) throw new Error('the host is gone');
    return found;
  };
  const task = async (id: string) => {
    const found = await getTask(deps, id);
    if (found === null) throw new Error('the task is gone');
    return found;
  };

  it('is parked with an alarm and gets nothing; what runs there goes on, and is had when the key is right', async () => {
    const [sshd, impostor] = [await sshdOf(), await sshdOf()];
    const proxy = await startLinkProxy(sshd.port);
    const alarms: object[] = [];
    const installation = { id: randomUUIDv7(), secret: Buffer.from('secret') };
    await syncHosts(deps, [{ id: 'h1', labels: [], capacity: 2 }]);
    const ssh = sshHostOf(sshd, { port: proxy.port, installationId: installation.id, refusedMs: 300 });
    const loops = await startLoops({
      deps,
      installation,
      hosts: [{ id: 'h1', lostAfterSeconds: 600, tryOut: async () => null, ...ssh }],
      probeSeconds: 0.2,
      publicUrl: () => 'http://127.0.0.1:1',
      metrics: createMetrics({ ofProcess: false }),
      log: { debug() {}, info() {}, warn() {}, error: (fields) => void alarms.push(fields) },
    });
    ends.push(() => loops.stop());
    const script = 'echo begun; while [ ! -e "$GO" ]; do sleep 0.1; done; echo ended';
    const environment = { GO: `${sshd.home}/go` };
    const running = await createTask(deps, alice, newTask({ command: ['sh', '-c', script], environment }));
    await waitFor(async () => (await task(running.id)).attempt?.process);

    proxy.leadTo(impostor.port);
    proxy.cut();
    const parked = await waitFor(async () => {
      const one = await host();
      return agentState(one) === 'cordoned' && one;
    });
    expect(parked.stateReason).toMatchObject({
      code: 'host_key',
      message: expect.stringContaining('pinned is SHA256:'),
    });
    const waiting = await createTask(deps, alice, newTask({ command: ['true'] }));
    const looks = proxy.begun();
    await waitFor(() => proxy.begun() > looks + 5);
    expect([(await task(waiting.id)).status, (await task(running.id)).status]).toEqual(['pending', 'running']);
    expect(alarms).toEqual([expect.objectContaining({ host: 'h1', kind: 'host_key' })]);
    expect(impostor.said()).not.toMatch(/Accepted|Failed|publickey/);

    proxy.leadTo(sshd.port);
    await waitFor(async () => agentState(await host()) === 'online');
    await waitFor(async () => (await task(waiting.id)).status === 'completed');
    writeFileSync(environment.GO, '');
    const ended = await waitFor(async () => {
      const one = await task(running.id);
      return one.status === 'completed' && one;
    });
    expect(ended.attempt?.number).toBe(1);
    expect(Buffer.from((await readLog(deps, ended.attempt?.id ?? '', 'stdout'))?.bytes ?? []).toString()).toBe(
      'begun\nended\n',
    );
  });
});
