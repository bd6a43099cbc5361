import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { type clientOf, lines, printing, startHosted, startsOn, underWay } from '../support/hosted.ts';
import { describeIf } from '../support/require.ts';
import { startSshd } from '../support/sshd.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const WITHIN_MS = 5_000;
/** Where a server takes its time to start, it does for all else too. */
const TIMES_A_START = 3;

describeIf('sshd', 'a task on a host whose replica is gone', () => {
  async function hosted() {
    const sshd = await startSshd();
    onTestFinished(() => sshd.stop());
    const all = await startHosted([sshd]);
    return { sshd, ...all, entries: [{ id: 'box', sshd }] };
  }
  const reattached = async (client: ReturnType<typeof clientOf>, id: string) =>
    (await client.events(id)).some(({ type }) => type === 'reattached');
  type Started = Awaited<ReturnType<Awaited<ReturnType<typeof startHosted>>['start']>>;
  /** Resolves when it is ready, with how long it may take for what it does in five seconds elsewhere. */
  const ready = async (start: () => Promise<Started>) => {
    const began = performance.now();
    const { client, url } = await start();
    await waitFor(async () => (await fetch(`${url}/readyz`)).status === 200);
    const startMs = performance.now() - began;
    return { client, within: { timeoutMs: Math.max(WITHIN_MS, TIMES_A_START * startMs), intervalMs: 50 } };
  };
  /** Prints ten lines, and ten more when it is told to. */
  const inTwoParts = (home: string) => {
    const go = join(home, 'go');
    return {
      command: `${printing(10)}; until [ -f ${go} ]; do sleep 0.1; done; ${printing(10)}`,
      printed: lines(10) + lines(10),
      goOn: () => writeFileSync(go, ''),
    };
  };

  test('killed: another one that is there goes on within 5 seconds, at the byte, to the true exit code', async () => {
    const { start, entries, noted, sshd } = await hosted();
    const first = await start(entries);
    const { client } = await start(entries);
    const { id } = await client.create(noted(`${printing(40)}; exit 7`), { requires: ['linux'] });
    await underWay(client, id);
    first.signal('SIGKILL');
    await first.exited;
    const task = await client.ended(id);
    expect(task).toMatchObject({ status: 'failed', result: { exit_code: 7 }, attempt: { number: 1 } });
    expect(await client.printed(task.attempt?.id ?? '')).toBe(lines(40));
    expect(startsOn(sshd)).toHaveLength(1);
  });

  test('killed: the one that comes after it goes on within 5 seconds of being ready, at the byte', async () => {
    const { sshd, start, entries, noted } = await hosted();
    const { command, printed, goOn } = inTwoParts(sshd.home);
    const first = await start(entries);
    const { id } = await first.client.create(noted(`${command}; exit 7`), { requires: ['linux'] });
    const attemptId = await underWay(first.client, id);
    first.signal('SIGKILL');
    await first.exited;
    const { client, within } = await ready(() => start(entries));
    await waitFor(() => reattached(client, id), within);
    await waitFor(async () => (await client.printed(attemptId)) === lines(10), within);
    goOn();
    await waitFor(async () => (await client.printed(attemptId)).length > lines(10).length, within);
    expect(await client.ended(id)).toMatchObject({ status: 'failed', result: { exit_code: 7 } });
    expect(await client.printed(attemptId)).toBe(printed);
  });

  test('killed, and ended by the time the next one comes: the result is had within 5 seconds', async () => {
    const { sshd, start, entries, noted } = await hosted();
    const first = await start(entries);
    const { id } = await first.client.create(noted(`${printing(15)}; touch ${sshd.home}/over; exit 9`), {
      requires: ['linux'],
    });
    const attemptId = await underWay(first.client, id);
    first.signal('SIGKILL');
    await waitFor(() => existsSync(join(sshd.home, 'over')));
    const { client, within } = await ready(() => start(entries));
    expect(await client.ended(id, within)).toMatchObject({ status: 'failed', result: { exit_code: 9 } });
    expect(await client.printed(attemptId)).toBe(lines(15));
  });

  test('stopped for a newer release: that one goes on within 5 seconds, by the script that started the command', async () => {
    const { sshd, start, entries, noted } = await hosted();
    const older = olderRelease();
    const first = await start(entries, { program: older.program });
    const { command, printed, goOn } = inTwoParts(sshd.home);
    const { id } = await first.client.create(noted(`${command}; exit 4`), { requires: ['linux'] });
    const attemptId = await underWay(first.client, id);
    first.signal('SIGTERM');
    await first.exited;
    const { client, within } = await ready(() => start(entries));
    await waitFor(() => reattached(client, id), within);
    const askedBefore = older.asked(sshd.home).length;
    goOn();
    expect(await client.ended(id)).toMatchObject({
      status: 'failed',
      result: { exit_code: 4 },
      attempt: { number: 1 },
    });
    expect(await client.printed(attemptId)).toBe(printed);
    expect(older.asked(sshd.home).slice(askedBefore)).toContain('status');
    const scripts = readdirSync(join(sshd.home, '.taskejo')).filter((name) => name.startsWith('w-'));
    expect(scripts).toHaveLength(2);
  });

  /** A release whose script differs from ours: it notes what it is asked for. */
  function olderRelease() {
    const folder = temporaryFolder();
    const root = fileURLToPath(new URL('../../', import.meta.url));
    for (const name of ['bin', 'src', 'migrations', 'package.json']) {
      cpSync(join(root, name), join(folder, name), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const script = join(folder, 'src/executor/wrapper/taskejo.sh');
    const text = readFileSync(script, 'utf8');
    writeFileSync(script, text.replace('\nset -u', '\necho "$1" >>"$(dirname "$0")/asked-of-older"\nset -u'));
    return {
      program: join(folder, 'bin/taskejo.js'),
      asked: (home: string) => readFileSync(join(home, '.taskejo/asked-of-older'), 'utf8').trim().split('\n'),
    };
  }
});
