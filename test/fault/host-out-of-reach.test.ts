import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { taskejo } from '../support/command-line.ts';
import { api, lines, printing, startHosted, startsOn, underWay } from '../support/hosted.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { isAlive, processesIn } from '../support/proc.ts';
import { ADMIN_TOKEN } from '../support/replica.ts';
import { describeIf } from '../support/require.ts';
import { startSshd } from '../support/sshd.ts';
import type { TaskClient } from '../support/task-client.ts';
import { waitFor } from '../support/wait-for.ts';

describeIf('sshd', 'a task on a host that goes out of reach', () => {
  async function hosted() {
    const sshd = await startSshd();
    onTestFinished(() => sshd.stop());
    const link = await startLinkProxy(sshd.port);
    const all = await startHosted([sshd]);
    const entries = [{ id: 'box', sshd, port: link.port, capacity: 1, lost_after_seconds: 3600 }];
    return { ...all, sshd, link, entries };
  }
  const unreachable = (client: TaskClient, id: string) =>
    client.until(id, ({ attempt }) => attempt?.contact?.state === 'unreachable');
  const agent = (url: string) => api<{ running: number; online: boolean }>(url, 'GET', '/api/v1/agents/box');
  const explained = (url: string, id: string) =>
    api<{ reasons: { code: string; until?: string }[] }>(url, 'GET', `/api/v1/tasks/${id}/explain`);

  test('keeps its place and says since when and until when, over a restart of the server too, and loses nothing', async () => {
    const { start, entries, noted, link, row } = await hosted();
    const first = await start(entries);
    const { id } = await first.client.create(noted(`${printing(150)}; exit 3`), { requires: ['linux'] });
    const attemptId = await underWay(first.client, id);
    const back = link.stall(true);
    const cutAt = Date.now();
    const away = await unreachable(first.client, id);
    const since = Date.parse(away.attempt?.contact?.since ?? '');
    expect(Math.abs(since - cutAt)).toBeLessThan(30_000);
    expect(away.status).toBe('running');
    const { dead_by: deadBy } = await row(id);
    expect((await explained(first.url, id)).reasons).toContainEqual(
      expect.objectContaining({ code: 'host_unreachable', until: deadBy }),
    );
    first.signal('SIGTERM');
    await first.exited;
    const { client, url } = await start(entries);
    await waitFor(async () => !(await agent(url)).online);
    const waiting = await client.task(id);
    expect(waiting).toMatchObject({ status: 'running', attempt: { id: attemptId, contact: { state: 'unreachable' } } });
    expect((await agent(url)).running).toBe(1);
    back();
    expect(await client.ended(id)).toMatchObject({
      status: 'failed',
      result: { exit_code: 3 },
      attempt: { number: 1 },
    });
    expect(await client.printed(attemptId)).toBe(lines(150));
  });

  test('is out of contact also where the server was killed and started while the host was away', async () => {
    const { sshd, start, entries, noted } = await hosted();
    const first = await start(entries);
    const { id } = await first.client.create(
      noted(`${printing(5)}; until [ -f ${sshd.home}/go ]; do sleep 0.1; done`),
      {
        requires: ['linux'],
      },
    );
    await underWay(first.client, id);
    first.signal('SIGKILL');
    await sshd.kill();
    const { client, url } = await start(entries);
    expect(await unreachable(client, id)).toMatchObject({ status: 'running' });
    const env = { TASKEJO_URL: url, TASKEJO_TOKEN: ADMIN_TOKEN };
    expect((await taskejo(['task', 'show', id], { env })).stdout).toMatch(/^ {2}contact +none for \d+ s$/m);
    writeFileSync(join(sshd.home, 'go'), '');
    await sshd.restart();
    expect(await client.ended(id)).toMatchObject({
      status: 'completed',
      attempt: { number: 1, contact: { state: 'ok' } },
    });
  });

  test('that answers probes and nothing about it is lost when its time is surely over, and asked before it gets more', async () => {
    const { sshd, db, start, entries, noted } = await hosted();
    const { client, url } = await start(entries);
    const hanging = `${printing(5)}; exec sleep 600`;
    const { id } = await client.create(noted(hanging), { requires: ['linux'], repeatable: false });
    const attemptId = await underWay(client, id);
    writeFileSync(join(sshd.home, '.rc'), 'case "$SSH_ORIGINAL_COMMAND" in *ping*) ;; *) sleep 600 ;; esac\n');
    await waitFor(() => sshd.killSessions() > 0);
    await unreachable(client, id);
    expect((await agent(url)).online).toBe(true);
    const reattached = async () => (await client.events(id)).filter(({ type }) => type === 'reattached').length;
    expect(await reattached()).toBe(0);
    await sql`update attempts set dead_by = now() where id = ${attemptId}`.execute(db);
    const task = await client.ended(id);
    expect(task).toMatchObject({ status: 'failed', result: { outcome: 'lost', exit_code: null, failure_class: null } });
    expect(await reattached()).toBe(0);
    const next = await client.create(noted('true'), { requires: ['linux'], agent_id: 'box' });
    expect((await agent(url)).running).toBe(1);
    expect((await client.task(next.id)).status).toBe('pending');
    rmSync(join(sshd.home, '.rc'));
    expect(await client.ended(next.id)).toMatchObject({ status: 'completed' });
    const [attempt] = await client.attempts(id);
    expect(attempt).toMatchObject({ outcome: 'lost', proof: 'empty' });
    expect(processesIn(join(sshd.home, '.taskejo')).filter((one) => one.arguments.includes('sleep 600'))).toEqual([]);
    expect((await client.events(id)).map(({ type }) => type)).toContain('late_result');
  });

  test('before its start was sent begins when that is back, though it has another memory by then', async () => {
    const { sshd, start, entries, noted, link, row } = await hosted();
    const { client, url } = await start(entries);
    await waitFor(async () => (await agent(url)).online);
    link.stall(); // what is sent now arrives nowhere
    const { id } = await client.create(noted('exit 4'), { requires: ['linux'], repeatable: false });
    await waitFor(async () => (await row(id).catch(() => null))?.dead_by);
    link.leadTo(1);
    link.cut();
    await waitFor(async () => (await row(id)).dead_by === null);
    for (const name of readdirSync(join(sshd.home, '.taskejo')))
      if (!name.endsWith('.sh')) rmSync(join(sshd.home, '.taskejo', name), { recursive: true });
    link.leadTo(sshd.port);
    expect(await client.ended(id)).toMatchObject({ status: 'failed', result: { exit_code: 4 } });
    expect(startsOn(sshd)).toHaveLength(1);
  });

  test('is ended by a person at once, unproven, and what still runs is ended when the host is back', async () => {
    const { sshd, start, entries, noted } = await hosted();
    const { client, url } = await start(entries);
    const { id } = await client.create(noted(`${printing(5)}; exec sleep 601`), { requires: ['linux'] });
    await underWay(client, id);
    const force = () => api(url, 'POST', `/api/v1/tasks/${id}/cancel`, { force: true });
    await expect(force()).rejects.toThrow('409');
    await sshd.kill();
    await unreachable(client, id);
    await force();
    expect(await client.task(id)).toMatchObject({ status: 'cancelled' });
    expect(await client.attempts(id)).toMatchObject([{ outcome: 'cancelled', proof: 'unknown' }]);
    expect((await agent(url)).running).toBe(1);
    await sshd.restart();
    await waitFor(async () => (await agent(url)).running === 0);
    expect(processesIn(join(sshd.home, '.taskejo')).filter((one) => one.arguments.includes('sleep 601'))).toEqual([]);
  });

  test.each([
    [true, 'pending', 2],
    [false, 'failed', 1],
  ])(
    'with its control folder wiped is lost, store_changed, and ended there; may it run twice (%s), it is %s',
    async (repeatable, _, attempts) => {
      const { sshd, start, entries, noted } = await hosted();
      const { client } = await start(entries);
      const mark = join(sshd.home, 'again');
      const again = `if [ -f ${mark} ]; then ! kill -0 $(cat ${mark}); exit; fi; echo $$ >${mark}`;
      const command = `${again}; ${printing(5)}; exec sleep 602`;
      const { id } = await client.create(noted(command), { requires: ['linux'], repeatable });
      await underWay(client, id);
      await wipe(join(sshd.home, '.taskejo'));
      const task = await client.ended(id);
      expect(task.status).toBe(repeatable ? 'completed' : 'failed');
      const all = await client.attempts(id);
      expect(all).toHaveLength(attempts);
      expect(all[0]).toMatchObject({ outcome: 'lost', error: expect.stringContaining('store_changed') });
      expect(new Set(startsOn(sshd).map(({ attemptId }) => attemptId)).size).toBe(startsOn(sshd).length);
      const first = Number(readFileSync(mark, 'utf8'));
      await waitFor(() => !isAlive(first));
    },
  );
});

/**
 * Removes a folder in which others write and remove: from its place at once, then whole. `rmSync` of Node 26 leaves it
 * as it is, and is silent about it, if a file vanishes meanwhile.
 */
async function wipe(folder: string): Promise<void> {
  const away = `${folder}-wiped`;
  renameSync(folder, away);
  await rm(away, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
