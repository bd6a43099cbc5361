import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import type { Agent } from '../../src/contract/agent.ts';
import type { Explanation } from '../../src/contract/explain.ts';
import { startAgentProcess } from '../support/agent-process.ts';
import { expectHealthy } from '../support/examine.ts';
import { startServerProcess } from '../support/serve.ts';
import { createTaskClient } from '../support/task-client.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

/** Runs a program with a disk of 112 MiB of its own at the folder that is the first word after these. */
const OWN_DISK = ['unshare', '--user', '--map-root-user', '--mount'];
const MOUNT = 'mount -t tmpfs -o size=112m tmpfs "$0" && exec "$@"';

function requireOwnDisk(context: Pick<TestContext, 'skip'>): void {
  try {
    execFileSync('unshare', [...OWN_DISK.slice(1), 'sh', '-c', MOUNT, temporaryFolder(), 'true'], { stdio: 'pipe' });
  } catch {
    context.skip('a file system can not be mounted here (unshare --user --mount)');
  }
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(64 * 1024, 'x');
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(file);
  }
}

test('an agent whose disk is full takes nothing new and says so, finishes what runs, and takes work again with room', async (context) => {
  requireOwnDisk(context);
  const server = await startServerProcess({ TASKEJO_LEASES__SECONDS: '60', TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
  const tasks = createTaskClient(server);
  const stateDir = temporaryFolder();
  const within = [...OWN_DISK, 'sh', '-c', MOUNT, stateDir];
  const agent = await startAgentProcess(server, { name: 'full', stateDir, within });
  const disk = join(`/proc/${agent.pid}/root`, stateDir);
  const seen = () => server.api<Agent>('GET', `/api/v1/agents/${agent.id}`);

  const going = await tasks.create('while [ ! -f go ]; do sleep 0.02; done; exit 7', { agent_id: agent.id });
  const { attempt } = await tasks.until(going.id, (task) => task.attempt?.process != null);
  fill(join(disk, 'filler'));
  await waitFor(async () => (await seen()).draining);
  await waitFor(() => agent.log().includes('nearly full'));

  const next = await tasks.create('echo room', { agent_id: agent.id });
  const explained = await server.api<Explanation>('GET', `/api/v1/tasks/${next.id}/explain`);
  expect(explained.agents[0]).toMatchObject({ agent_id: agent.id, takeable: false });
  expect(explained.agents[0]?.reasons.map(({ code }) => code)).toContain('draining');

  writeFileSync(`/proc/${attempt?.process?.pid}/cwd/go`, '');
  expect(await tasks.ended(going.id)).toMatchObject({ status: 'failed', result: { exit_code: 7 } });
  expect((await tasks.task(next.id)).status).toBe('pending');
  expect(agent.log()).not.toContain('not written down');

  rmSync(join(disk, 'filler'));
  const { attempt: done } = await tasks.ended(next.id);
  expect(await tasks.printed(done?.id ?? '')).toBe('room\n');
  expect((await seen()).draining).toBe(false);
  expect(await agent.stop()).toBe(0);
  await expectHealthy(server);
  await server.stop();
});
