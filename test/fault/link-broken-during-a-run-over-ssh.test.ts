import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lines, printing, startHosted, startsOn, underWay } from '../support/hosted.ts';
import { type LinkProxy, startLinkProxy } from '../support/link-proxy.ts';
import { descendants, killAll } from '../support/proc.ts';
import { describeIf } from '../support/require.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { waitFor } from '../support/wait-for.ts';

/** The daemon, and what serves its connections; never what runs tasks. */
const serving = (sshd: Sshd) => [
  sshd.pid,
  ...descendants(sshd.pid).flatMap(({ pid, command }) => (command.startsWith('sshd') ? [pid] : [])),
];

describeIf('sshd', 'a task over SSH whose link breaks', () => {
  type Broken = { sshd: Sshd; link: LinkProxy };
  /** How it breaks; answers how it is mended, if it doesn't mend itself. */
  const BREAKS: [string, (broken: Broken) => undefined | (() => unknown)][] = [
    ['cut', ({ link }) => void link.cut()],
    ['ended by the far side alone', ({ link }) => void link.finish()],
    ['half-open, on which nothing passes any more', ({ link }) => void link.stall()],
    ['dead for all, for a while', ({ link }) => link.stall(true)],
    ['without its sessions', ({ sshd }) => void sshd.killSessions()],
    [
      'frozen at the far end',
      ({ sshd }) => {
        const frozen = serving(sshd);
        killAll(frozen, 'SIGSTOP');
        return () => killAll(frozen, 'SIGCONT');
      },
    ],
  ];

  test.each(BREAKS)('%s: goes on, its log is had to the byte, and its exit code', async (_, breakIt) => {
    const sshd = await startSshd();
    onTestFinished(() => sshd.stop());
    const link = await startLinkProxy(sshd.port);
    const { start, noted } = await startHosted([sshd]);
    const { client } = await start([{ id: 'box', sshd, port: link.port }]);
    const go = join(sshd.home, 'go');
    const command = `${printing(10)}; until [ -f ${go} ]; do sleep 0.1; done; ${printing(10)}; touch ${go}.over; exit 6`;
    const { id } = await client.create(noted(command), { requires: ['linux'] });
    const attemptId = await underWay(client, id);
    const mend = breakIt({ sshd, link });
    writeFileSync(go, '');
    if (mend) {
      await client.until(id, ({ attempt }) => attempt?.contact?.state === 'unreachable');
      await waitFor(() => existsSync(`${go}.over`));
      mend();
    }
    const task = await client.ended(id);
    expect(task).toMatchObject({ status: 'failed', result: { exit_code: 6 }, attempt: { id: attemptId, number: 1 } });
    expect(await client.printed(attemptId)).toBe(lines(10) + lines(10));
    expect(startsOn(sshd)).toHaveLength(1);
  });
});
