import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { SshHost } from '../../../src/executor/ssh/host.ts';
import { createSshHosts, type SshHostSettings } from '../../../src/executor/ssh/hosts.ts';
import { startSpec, wholeLog } from '../../suites/machine-suite.ts';
import { startLinkProxy } from '../../support/link-proxy.ts';
import { describeIf } from '../../support/require.ts';
import { connections, followQuiet, sshParts } from '../../support/ssh-parts.ts';
import type { Sshd } from '../../support/sshd.ts';
import { waitFor } from '../../support/wait-for.ts';

describeIf('sshd', 'a host behind another', () => {
  const { signal } = new AbortController();
  const { sshdWith, kept, closeHosts } = sshParts();
  const settingsOf = (id: string, sshd: Sshd, more: Partial<SshHostSettings> = {}): SshHostSettings => ({
    id,
    address: '127.0.0.1',
    port: sshd.port,
    user: sshd.user,
    privateKey: sshd.privateKey,
    hostKeys: [sshd.hostKeyFingerprint],
    installationId: 'suite',
    jump: null,
    ...more,
  });
  const machines = (...settings: SshHostSettings[]) => {
    const hosts = createSshHosts(settings);
    for (const host of hosts.values()) kept(host);
    return (id: string) => hosts.get(id)?.machine as SshHost['machine'];
  };

  test('is reached through it, and through one behind that, with a log that is whole', async () => {
    const [outer, inner, target] = [await sshdWith(), await sshdWith(), await sshdWith()];
    const machine = machines(
      settingsOf('target', target, { jump: 'inner' }),
      settingsOf('inner', inner, { jump: 'outer' }),
      settingsOf('outer', outer),
    )('target');
    const spec = startSpec('i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done');
    await machine.start(spec, signal);
    await waitFor(async () => (await machine.status(spec.attemptId, signal)).state === 'done');
    const { bytes } = await wholeLog(machine, spec.attemptId, 'stdout', 0, signal);
    expect(bytes.toString()).toBe(Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join(''));
    expect(outer.said()).not.toContain('.taskejo');
  });

  test('shares a few connections to it with others behind it, and gives them back', async () => {
    const [jump, one, two] = [await sshdWith(), await sshdWith(), await sshdWith()];
    const of = machines(
      settingsOf('jump', jump),
      settingsOf('one', one, { jump: 'jump' }),
      settingsOf('two', two, { jump: 'jump' }),
    );
    await Promise.all(Array.from({ length: 60 }, (_, n) => of(n % 2 === 0 ? 'one' : 'two').ping(signal)));
    expect(connections(jump)).toBeLessThanOrEqual(3);
    await of('jump').ping(signal);
    closeHosts();
    await waitFor(() => [jump, one, two].every((sshd) => connections(sshd) === 0));
  });

  test('shows its own key, which that one could not forge', async () => {
    const [jump, target, impostor] = [await sshdWith(), await sshdWith(), await sshdWith()];
    const of = machines(settingsOf('jump', jump), settingsOf('target', target, { jump: 'jump', port: impostor.port }));
    await expect(of('target').ping(signal)).rejects.toMatchObject({ kind: 'host_key' });
    await of('jump').ping(signal);
  });

  test.each([
    [
      'that is away',
      {},
      async (jump: Sshd) => void (await jump.kill()),
      /no way through the jump host: .*ECONNREFUSED/,
    ],
    [
      'that lets nobody through',
      { config: ['AllowTcpForwarding no'] },
      null,
      /no way through .*it lets nobody through/,
    ],
    ['that does not reach it', {}, null, /no way through .*Connection refused/],
    [
      'that refuses us',
      {},
      async (jump: Sshd) => writeFileSync(jump.authorizedKeysPath, ''),
      /no way through .*refused the key of this user/,
    ],
  ])('%s is away itself, and says why', async (title, options, breakIt, why) => {
    const [jump, target] = [await sshdWith(options), await sshdWith()];
    await breakIt?.(jump);
    if (title.includes('reach')) await target.kill();
    const machine = machines(settingsOf('jump', jump), settingsOf('target', target, { jump: 'jump' }))('target');
    const asked = machine.ping(signal);
    await expect(asked).rejects.toMatchObject({ kind: 'unreachable', message: expect.stringMatching(why) });
  });

  test('is reached again when that one was restarted, or its link cut', async () => {
    const [jump, target] = [await sshdWith(), await sshdWith()];
    const proxy = await startLinkProxy(jump.port);
    const machine = machines(
      settingsOf('jump', jump, { port: proxy.port }),
      settingsOf('target', target, { jump: 'jump' }),
    )('target');
    const before = await machine.ping(signal);
    proxy.cut();
    expect(await machine.ping(signal)).toEqual(before);
    await jump.kill();
    await jump.restart();
    expect(await machine.ping(signal)).toEqual(before);
  });

  test('is found again after the link to that one went half-open, and who reads from it is told at once', async () => {
    const [jump, target] = [await sshdWith(), await sshdWith()];
    const proxy = await startLinkProxy(jump.port);
    const machine = machines(
      settingsOf('jump', jump, { port: proxy.port }),
      settingsOf('target', target, { jump: 'jump', deadlineMs: 3_000, connectDeadlineMs: 3_000 }),
    )('target');
    await waitFor(() => machine.ping(signal).catch(() => null));
    const { lost } = await followQuiet(machine, signal);
    proxy.stall();
    await expect(machine.ping(signal)).rejects.toMatchObject({ kind: 'unreachable' });
    await lost;
    await waitFor(() => machine.ping(signal).catch(() => null));
  });

  test('that says good-bye is left, though that one would hold the line', async () => {
    const [jump, target] = [await sshdWith(), await sshdWith()];
    const proxy = await startLinkProxy(target.port);
    const machine = machines(
      settingsOf('jump', jump),
      settingsOf('target', target, { jump: 'jump', port: proxy.port }),
    )('target');
    const { lost } = await followQuiet(machine, signal);
    proxy.finish();
    await lost;
    await machine.ping(signal);
  });

  test('that leads back to itself, or through nobody, is a mistake in the configuration', async () => {
    const sshd = await sshdWith();
    for (const jump of ['one', 'nobody'])
      expect(() => createSshHosts([settingsOf('one', sshd, { jump })])).toThrow(/no way through the jump host/);
  });
});
