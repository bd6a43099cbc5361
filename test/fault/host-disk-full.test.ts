import { execFileSync } from 'node:child_process';
import { randomUUIDv7 } from 'node:crypto';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, type TestContext } from 'vitest';
import type { Attempt } from '../../src/domain/attempt.ts';
import { whatIsWrong } from '../../src/executor/preflight.ts';
import { startLoops } from '../../src/loops/index.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { getTask, listAttempts } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { describeIf } from '../support/require.ts';
import { sshHostOf } from '../support/ssh-host.ts';
import { type Sshd, type SshdOptions, startSshd } from '../support/sshd.ts';
import { alice, newTask } from '../support/tasks.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const log = { debug() {}, info() {}, warn() {}, error: console.error };

describeIf('sshd', 'a host that lacks what a task needs', () => {
  let deps: Deps & { stop(): Promise<void> };
  let ends: (() => unknown)[];
  const installation = { id: randomUUIDv7(), secret: Buffer.from('secret') };

  beforeEach(async () => {
    ends = [];
    deps = await createTestDeps(await createTestDatabase());
  });
  afterEach(async () => {
    for (const end of ends.reverse()) await end();
    await deps.stop();
  });

  const sshd = async (options: SshdOptions = {}): Promise<Sshd> => {
    const started = await startSshd(options);
    ends.push(() => started.stop());
    return started;
  };
  /** The first is asked first. No probe or trial comes between, so that what befalls a host meets a task. */
  const start = async (first: Sshd, second: Sshd) => {
    const hosts = Object.entries({ 'a-first': first, 'b-second': second }).map(([id, server]) => {
      const open = (installationId: string) => sshHostOf(server, { installationId });
      const tryOut = (signal: AbortSignal) => whatIsWrong(open, signal);
      return { id, lostAfterSeconds: 600, tryOut, ...open(installation.id) };
    });
    await syncHosts(
      deps,
      hosts.map(({ id }) => ({ id, labels: ['linux'], capacity: 1 })),
    );
    const metrics = createMetrics({ ofProcess: false });
    const how = { deps, installation, hosts, probeSeconds: 3600, publicUrl: () => 'http://127.0.0.1:1', metrics, log };
    const loops = await startLoops(how);
    ends.push(() => loops.stop());
    await waitFor(async () => {
      const agents = await deps.db.selectFrom('agents').select(['online', 'limits']).execute();
      return agents.every(({ online, limits }) => online && limits !== null);
    });
  };
  /** Until one met the first host before the second. */
  const run = async (command: string[]): Promise<Attempt[]> => {
    const attempts = await runOnce(command);
    return attempts.length > 1 ? attempts : run(command);
  };
  const runOnce = async (command: string[]): Promise<Attempt[]> => {
    const { id } = await createTask(deps, alice, newTask({ requires: ['linux'], command, repeatable: false }));
    const task = await waitFor(async () => {
      const found = await getTask(deps, id);
      return found?.finishedAt ? found : null;
    });
    expect(task).toMatchObject({ status: 'completed', assignedAgentId: 'b-second' });
    return (await listAttempts(deps, id, { limit: 9, cursor: null })).items;
  };
  const ownFailuresOfFirst = async () => {
    const { own_failures } = await deps.db
      .selectFrom('agents')
      .select('own_failures')
      .where('id', '=', 'a-first')
      .executeTakeFirstOrThrow();
    return own_failures.length;
  };

  it('a disk that fills up: class setup, a failure of the host’s own, and the task runs elsewhere', async (context) => {
    const first = await sshd();
    mountSmallDisk(first.home, context);
    ends.push(() => execFileSync('umount', ['-l', first.home]));
    await start(first, await sshd());
    fill(join(first.home, 'filling'));
    const [full, good] = await run(['true']);
    expect(full).toMatchObject({
      agentId: 'a-first',
      outcome: 'failed',
      failureClass: 'setup',
      error: 'the disk is full',
    });
    expect(good).toMatchObject({ agentId: 'b-second', outcome: 'completed' });
    expect(await ownFailuresOfFirst()).toBe(1);
    rmSync(join(first.home, 'filling'));
  });

  it('a program that is missing: class setup, no failure of the host’s own, and the task runs elsewhere', async () => {
    const bin = temporaryFolder();
    writeFileSync(join(bin, 'only-there'), '#!/bin/sh\nexit 0\n');
    chmodSync(join(bin, 'only-there'), 0o755);
    await start(await sshd(), await sshd({ environment: { PATH: `${bin}:${process.env.PATH}` } }));
    const [missing, good] = await run(['only-there']);
    expect(missing).toMatchObject({ agentId: 'a-first', outcome: 'failed', failureClass: 'setup' });
    expect(missing?.error).toContain('program `only-there` not found');
    expect(good).toMatchObject({ agentId: 'b-second', outcome: 'completed' });
    expect(await ownFailuresOfFirst()).toBe(0);
  });
});

function mountSmallDisk(folder: string, context: TestContext): void {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    context.skip('a small disk can not be mounted here');
  }
}

/** To the last byte. */
function fill(file: string): void {
  for (const size of [65_536, 1]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
