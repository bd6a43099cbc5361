import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { api, lines, printing, startHosted, startsOn, underWay } from '../support/hosted.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { describeIf } from '../support/require.ts';
import { startSshd } from '../support/sshd.ts';
import { waitFor } from '../support/wait-for.ts';

const NOBODY_LISTENS = 1;

describeIf('sshd', 'two replicas that see a host differently', () => {
  async function hosted(leases: Parameters<typeof startHosted>[1] = {}) {
    const sshd = await startSshd();
    onTestFinished(() => sshd.stop());
    const link = await startLinkProxy(sshd.port);
    return { sshd, link, ...(await startHosted([sshd], leases)) };
  }
  type Agent = { id: string; online: boolean };
  const hosts = async (url: string) => (await api<{ items: Agent[] }>(url, 'GET', '/api/v1/agents')).items;
  const names = async (url: string) => (await hosts(url)).map(({ id }) => id);
  const loseTheWay = (link: Awaited<ReturnType<typeof startLinkProxy>>) => {
    link.leadTo(NOBODY_LISTENS);
    link.cut();
    return link.begun();
  };

  test('where the way from one is cut, the host stays online, and what the other drives goes on', async () => {
    const { sshd, link, start, noted } = await hosted({ leaseSeconds: 15 });
    const near = await start([{ id: 'box', sshd }]);
    const go = join(sshd.home, 'go');
    const command = `${printing(10)}; until [ -f ${go} ]; do sleep 0.1; done; ${printing(10)}`;
    const { id } = await near.client.create(noted(command), { requires: ['linux'] });
    const attemptId = await underWay(near.client, id);
    const far = await start([{ id: 'box', sshd, port: link.port }]);
    await waitFor(() => link.begun() > 0);
    const before = loseTheWay(link);
    await waitFor(() => far.log().includes('host is offline'), { what: 'it has noticed' });
    await waitFor(() => link.begun() > before + 10, { what: 'it has tried again and again' });
    expect(await hosts(far.url)).toMatchObject([{ id: 'box', online: true }]);
    writeFileSync(go, '');
    expect(await near.client.ended(id)).toMatchObject({ status: 'completed', attempt: { id: attemptId, number: 1 } });
    expect(await near.client.printed(attemptId)).toBe(lines(10) + lines(10));
    expect(near.log()).not.toContain('host is offline');
    expect((await near.client.events(id)).map(({ type }) => type)).not.toContain('reattached');
  });

  test('where the way from the one that drives a task is cut, the other goes on with it', async () => {
    const { sshd, link, start, noted, row } = await hosted();
    const first = await start([{ id: 'box', sshd, port: link.port }]);
    const go = join(sshd.home, 'go');
    const command = `${printing(10)}; until [ -f ${go} ]; do sleep 0.1; done; ${printing(10)}; exit 5`;
    const { id } = await first.client.create(noted(command), { requires: ['linux'] });
    const attemptId = await underWay(first.client, id);
    const { holder } = await row(id);
    const second = await start([{ id: 'box', sshd }]);
    loseTheWay(link);
    await waitFor(async () => (await row(id)).holder !== holder);
    writeFileSync(go, '');
    expect(await second.client.ended(id)).toMatchObject({ status: 'failed', result: { exit_code: 5 } });
    expect(await second.client.printed(attemptId)).toBe(lines(10) + lines(10));
    expect((await second.client.events(id)).filter(({ type }) => type === 'reattached')).toHaveLength(1);
    expect(startsOn(sshd)).toHaveLength(1);
  });

  test('by their files: a host is there as long as one of them has it, and goes with the last', async () => {
    const { sshd, start, noted } = await hosted();
    const old = await start([{ id: 'box', sshd }]);
    const running = await old.client.create(noted(printing(80)), { requires: ['linux'] });
    const attemptId = await underWay(old.client, running.id);
    const changed = await start([{ id: 'other', sshd, port: NOBODY_LISTENS, labels: ['new'] }]);
    expect(await names(changed.url)).toEqual(['box', 'other']);
    const named = await old.client.create(noted('true'), { agent_id: 'box', requires: ['nothing-has-it'] });
    expect(await changed.client.ended(running.id)).toMatchObject({ status: 'completed', attempt: { id: attemptId } });
    expect(await changed.client.ended(named.id)).toMatchObject({ status: 'completed' });
    const waiting = await old.client.create('true', { agent_id: 'box', run_after: '2100-01-01T00:00:00Z' });
    old.signal('SIGTERM');
    await old.exited;
    await waitFor(async () => (await names(changed.url)).join() === 'other');
    expect(await changed.client.task(waiting.id)).toMatchObject({ status: 'pending', named_agent_id: null });
  });
});
