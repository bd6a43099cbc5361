import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeKey } from '../../../src/demo/ssh-keys.ts';
import type { SshHostOptions } from '../../../src/executor/ssh/host.ts';
import { startLinkProxy } from '../../support/link-proxy.ts';
import { describeIf } from '../../support/require.ts';
import { startSshAgent } from '../../support/ssh-agent.ts';
import { sshHostOf } from '../../support/ssh-host.ts';
import { kindOf, sshParts } from '../../support/ssh-parts.ts';
import type { Sshd } from '../../support/sshd.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait-for.ts';

describeIf('sshd', 'a host over SSH', () => {
  const { signal } = new AbortController();
  const { sshdWith, kept } = sshParts();
  const hostOf = (sshd: Sshd, more: Partial<SshHostOptions> = {}) => kept(sshHostOf(sshd, more)).machine;

  describe('known by a known_hosts file', () => {
    const fileWith = (...lines: string[]) => {
      const knownHosts = join(temporaryFolder(), 'known_hosts');
      writeFileSync(knownHosts, `# comment\n\n${lines.join('\n')}\n`);
      return knownHosts;
    };
    const keyOf = (sshd: Sshd, at = 0) => sshd.hostKeyLines[at] ?? '';

    test('as OpenSSH writes it, plain and hashed, with its port and without, is trusted', async () => {
      const sshd = await sshdWith();
      const other = `[127.0.0.1]:1 ${makeKey().public}`;
      for (const name of [`[127.0.0.1]:${sshd.port}`, '127.0.0.1', `[127.0.0.?]:${sshd.port},gpu-1`, '*,!gpu-1']) {
        const knownHosts = fileWith(other, `${name} ${keyOf(sshd)}`);
        await hostOf(sshd, { hostKeys: { knownHosts } }).ping(signal);
      }
      const knownHosts = fileWith(other, `[127.0.0.1]:${sshd.port} ${keyOf(sshd)}`);
      execFileSync('ssh-keygen', ['-q', '-H', '-f', knownHosts], { stdio: 'pipe' });
      expect(readFileSync(knownHosts, 'utf8')).not.toContain('127.0.0.1');
      await hostOf(sshd, { hostKeys: { knownHosts } }).ping(signal);
    });

    test('is asked for the type of key that the file has, though it would rather show another', async () => {
      const sshd = await sshdWith({ hostKeyTypes: ['ed25519', 'ecdsa', 'rsa'] });
      for (const at of [1, 2]) {
        const knownHosts = fileWith(`127.0.0.1 ${keyOf(sshd, at)}`);
        await hostOf(sshd, { hostKeys: { knownHosts } }).ping(signal);
      }
    });

    test.each([
      ['another key', (key: string) => [`127.0.0.1 ${makeKey().public}`, `gpu-1 ${key}`], /pinned is SHA256/],
      ['no line of this host', (key: string) => [`gpu-1,!*127.0.0.1*,* ${key}`], /has no key for \[127\.0\.0\.1]:\d+$/],
      ['the key as revoked', (key: string) => [`* ${key}`, `@revoked * ${key}`], /pinned is none that is not revoked/],
      [
        'an authority only',
        (key: string) => [`@cert-authority * ${key}`],
        /authority for host certificates, which are/,
      ],
    ])('that has %s gets nothing', async (_, lines, why) => {
      const sshd = await sshdWith();
      const proxy = await startLinkProxy(sshd.port);
      const hostKeys = { knownHosts: fileWith(...lines(keyOf(sshd))) };
      const asked = hostOf(sshd, { port: proxy.port, hostKeys }).ping(signal);
      await expect(asked).rejects.toMatchObject({ kind: 'host_key', message: expect.stringMatching(why) });
    });

    test('that is put right, or not there at first, is let back without a restart', async () => {
      const sshd = await sshdWith();
      const knownHosts = join(temporaryFolder(), 'later');
      const machine = hostOf(sshd, { hostKeys: { knownHosts }, refusedMs: 0 });
      await expect(machine.ping(signal)).rejects.toMatchObject({ kind: 'host_key' });
      writeFileSync(knownHosts, `127.0.0.1 ${keyOf(sshd)}\n`);
      await machine.ping(signal);
    });
  });

  describe('signed in to by an ssh-agent', () => {
    const keysIn = (folder: string, count: number) =>
      Array.from({ length: count }, (_, n) => {
        const path = join(folder, `key-${n}`);
        execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path]);
        return path;
      });
    const identity = (agentSocket: string, publicKey?: string) =>
      ({ privateKey: undefined, agentSocket, ...(publicKey === undefined ? {} : { publicKey }) }) as never;

    test('by any of its keys, of whatever type', async () => {
      const sshd = await sshdWith();
      const agent = await startSshAgent();
      agent.add(...keysIn(temporaryFolder(), 1), sshd.privateKeyPath);
      await hostOf(sshd, identity(agent.socket)).ping(signal);
      const rsa = join(temporaryFolder(), 'rsa');
      execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', rsa]);
      writeFileSync(sshd.authorizedKeysPath, readFileSync(`${rsa}.pub`));
      agent.add('-D');
      agent.add(rsa);
      await hostOf(sshd, identity(agent.socket)).ping(signal);
    });

    test('by the one that is named, where the host has no patience for all', async () => {
      const sshd = await sshdWith({ config: ['MaxAuthTries 2'] });
      const agent = await startSshAgent();
      agent.add(...keysIn(temporaryFolder(), 4), sshd.privateKeyPath);
      const asked = hostOf(sshd, identity(agent.socket)).ping(signal);
      await expect(asked).rejects.toMatchObject({ kind: 'auth', message: expect.stringContaining('public_key') });
      const publicKey = readFileSync(`${sshd.privateKeyPath}.pub`, 'utf8');
      await hostOf(sshd, identity(agent.socket, publicKey)).ping(signal);
    });

    test('that says nothing, or does not sign: auth, and which of these', async () => {
      const sshd = await sshdWith();
      const { promise: said, resolve: say } = Promise.withResolvers<string>();
      const asked = (agentSocket: string) => hostOf(sshd, identity(agentSocket)).ping(signal);
      const socket = join(temporaryFolder(), 'deaf');
      const deaf = createServer((one) => void one.on('close', () => say('parted')).resume());
      await new Promise<void>((resolve) => deaf.listen(socket, resolve));
      onTestFinished(() => void deaf.close());
      await expect(asked(socket)).rejects.toMatchObject({
        kind: 'auth',
        message: `the ssh-agent at ${socket} does not answer`,
      });
      expect(await said).toBe('parted');
      const agent = await startSshAgent({ DISPLAY: '', SSH_ASKPASS: '/bin/false' });
      agent.add('-c', sshd.privateKeyPath); // it asks before it signs
      await expect(asked(agent.socket)).rejects.toMatchObject({
        kind: 'auth',
        message: expect.stringContaining('does not sign'),
      });
    });

    test('with a certificate beside its key: by the key, and without it the host refuses us in words', async () => {
      const sshd = await sshdWith();
      const folder = temporaryFolder();
      const [authority = ''] = keysIn(folder, 1);
      execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'me', '-n', sshd.user, `${sshd.privateKeyPath}.pub`]);
      const agent = await startSshAgent();
      agent.add(sshd.privateKeyPath); // with its certificate
      await hostOf(sshd, identity(agent.socket)).ping(signal);
      writeFileSync(sshd.authorizedKeysPath, `cert-authority ${readFileSync(`${authority}.pub`, 'utf8')}`);
      await expect(hostOf(sshd, identity(agent.socket)).ping(signal)).rejects.toMatchObject({
        kind: 'auth',
        message: expect.stringContaining('client certificates are not supported'),
      });
    });

    test('that is away, has no key, or certificates alone: auth, and which of these', async () => {
      const sshd = await sshdWith();
      const agent = await startSshAgent();
      const why = (publicKey?: string) =>
        hostOf(sshd, identity(agent.socket, publicKey))
          .ping(signal)
          .catch(({ kind, message }) => `${kind}: ${message.replace(agent.socket, 'SOCKET')}`);
      expect(await why()).toBe('auth: the ssh-agent at SOCKET has no key (client certificates are not supported)');
      const [authority = ''] = keysIn(temporaryFolder(), 1);
      execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'me', '-n', sshd.user, `${sshd.privateKeyPath}.pub`]);
      agent.add(sshd.privateKeyPath); // with its certificate
      rmSync(`${sshd.privateKeyPath}-cert.pub`);
      agent.add('-d', sshd.privateKeyPath);
      expect(await why()).toContain('has no key (client certificates are not supported)');
      agent.add(sshd.privateKeyPath);
      expect(await why(makeKey().public)).toContain('not the key of public_key');
      await agent.stop();
      expect(await why()).toBe('auth: the ssh-agent at SOCKET does not answer');
    });
  });

  describe('that refuses us', () => {
    test('is left alone for a while, however many ask', async () => {
      const sshd = await sshdWith();
      const proxy = await startLinkProxy(sshd.port);
      const machine = hostOf(sshd, { port: proxy.port, privateKey: makeKey().private });
      const ping = () => machine.ping(signal).catch(({ kind }) => kind);
      expect(await Promise.all(Array.from({ length: 20 }, ping))).toEqual(Array(20).fill('auth'));
      const begun = proxy.begun();
      expect(begun).toBeLessThanOrEqual(4);
      expect(await Promise.all(Array.from({ length: 20 }, ping))).toEqual(Array(20).fill('auth'));
      expect(proxy.begun()).toBe(begun);
    });

    test('in whose place another machine answers gets nothing, and is let back when it is itself again', async () => {
      const [sshd, impostor] = [await sshdWith(), await sshdWith()];
      const proxy = await startLinkProxy(sshd.port);
      const machine = hostOf(sshd, { port: proxy.port, refusedMs: 0 });
      const before = await machine.ping(signal);
      proxy.leadTo(impostor.port);
      proxy.cut();
      await expect(machine.ping(signal)).rejects.toMatchObject({ kind: 'host_key' });
      await waitFor(() => impostor.said().includes('disconnect'));
      expect(impostor.said()).not.toMatch(/Accepted|userauth|publickey|Failed/);
      proxy.leadTo(sshd.port);
      expect(await machine.ping(signal)).toEqual(before);
    });

    describe('by a key of which only the fingerprint is known', () => {
      const unknown = `SHA256:${'A'.repeat(43)}`;
      const fingerprintOf = (line = '') =>
        execFileSync('ssh-keygen', ['-lf', '-'], { input: line, encoding: 'utf8' }).split(' ')[1] ?? '';

      /** A host behind a link that breaks where `breaks` says so, when a key of certain types is asked for. */
      const behindLink = async (sshd: Sshd, pin: string, breaks: (asked: string, link: number) => boolean) => {
        let links = 0;
        const server = createServer((near) => {
          links += 1;
          const link = links;
          const far = connect({ host: '127.0.0.1', port: sshd.port });
          const close = () => void [near.destroy(), far.destroy()];
          for (const one of [near, far]) one.on('error', () => {}).on('close', close);
          far.pipe(near);
          let asked = '';
          near.on('data', function look(bytes: Buffer) {
            asked += bytes.toString('latin1');
            if (!asked.includes('hmac-')) return; // the types stand before them
            if (breaks(asked, link)) return close();
            near.off('data', look);
            far.write(Buffer.from(asked, 'latin1'));
            near.pipe(far);
          });
        });
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        onTestFinished(() => void server.close());
        const { port } = server.address() as AddressInfo;
        return hostOf(sshd, { port, hostKeys: [pin], connectDeadlineMs: 8_000 });
      };

      test('is told by that also where it hangs up when it is asked for one of another type', async () => {
        const sshd = await sshdWith();
        const machine = await behindLink(sshd, unknown, (asked) => !asked.includes('ssh-ed25519'));
        await expect(machine.ping(signal)).rejects.toMatchObject({
          kind: 'host_key',
          message: expect.stringContaining(sshd.hostKeyFingerprint),
        });
      });

      test('is only away where its link breaks after it has shown one', async () => {
        const sshd = await sshdWith({ hostKeyTypes: ['ed25519', 'rsa'] });
        const pin = fingerprintOf(sshd.hostKeyLines[1]);
        for (const pinned of [pin, unknown]) {
          const machine = await behindLink(sshd, pinned, (_, link) => link > 1);
          expect(await kindOf(machine.ping(signal))).toBe('unreachable');
        }
      });

      test('is found though its link breaks once, when that very type is asked for', async () => {
        const sshd = await sshdWith({ hostKeyTypes: ['ed25519', 'rsa'] });
        let times = 0;
        const breaks = (asked: string) => {
          if (asked.includes('ssh-ed25519') || !asked.includes('rsa-sha2')) return false;
          times += 1;
          return times === 1;
        };
        const machine = await behindLink(sshd, fingerprintOf(sshd.hostKeyLines[1]), breaks);
        expect(await kindOf(machine.ping(signal))).toBe('none');
        expect(times).toBeGreaterThan(1);
      });
    });

    test('only on new connections loses the older ones too', async () => {
      const [sshd, impostor] = [await sshdWith(), await sshdWith()];
      const proxy = await startLinkProxy(sshd.port);
      const machine = hostOf(sshd, { port: proxy.port });
      await machine.ping(signal);
      proxy.leadTo(impostor.port);
      const burst = () => Promise.all(Array.from({ length: 20 }, () => machine.ping(signal)));
      await waitFor(() =>
        burst().then(
          () => false,
          ({ kind }) => kind === 'host_key',
        ),
      );
      await expect(machine.ping(signal)).rejects.toMatchObject({ kind: 'host_key' });
    });
  });
});
