import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeKey } from '../../../src/demo/ssh-keys.ts';
import type { SshHostOptions } from '../../../src/executor/ssh/host.ts';
import { startSpec, wholeLog } from '../../suites/machine-suite.ts';
import { descendants, killAll } from '../../support/proc.ts';
import { describeIf } from '../../support/require.ts';
import { type SshServer, sshHostOf } from '../../support/ssh-host.ts';
import { connections, kindOf, sshParts } from '../../support/ssh-parts.ts';
import { waitFor } from '../../support/wait-for.ts';

describeIf('sshd', 'a host over SSH', () => {
  const { signal } = new AbortController();
  const { sshdWith, kept, closeHosts } = sshParts();
  const hostOf = (server: SshServer, more: Partial<SshHostOptions> = {}) => kept(sshHostOf(server, more)).machine;

  describe('and its key', () => {
    const other = `SHA256:${'A'.repeat(43)}`;

    test('that is not pinned gets nothing: no name, no key, no command', async () => {
      const attempts: string[] = [];
      const hostKey = makeKey().private;
      const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
        client.on('error', () => {});
        client.on('authentication', (request) => {
          attempts.push(request.username);
          request.reject();
        });
      });
      const port = await listening(server);
      onTestFinished(() => void server.close());
      const privateKey = makeKey().private;
      const machine = hostOf({ port, user: 'someone', privateKey, hostKeyFingerprint: other });
      await expect(machine.ping(signal)).rejects.toMatchObject({ kind: 'host_key' });
      await expect(machine.start(startSpec('true'), signal)).rejects.toThrow(
        /showed ssh-ed25519 SHA256:.*pinned is SHA256:AAA/,
      );
      expect(attempts).toEqual([]);
    });

    test('is found among several types by its bare fingerprint, or by its line', async () => {
      const sshd = await sshdWith({ hostKeyTypes: ['rsa', 'ecdsa', 'ed25519'] });
      for (const line of sshd.hostKeyLines) {
        const key = Buffer.from(line.split(' ')[1] ?? '', 'base64');
        const fingerprint =
          execFileSync('ssh-keygen', ['-lf', '-'], { input: line, encoding: 'utf8' }).split(' ')[1] ?? '';
        expect(key.length).toBeGreaterThan(0);
        for (const pin of [line, `[127.0.0.1]:${sshd.port} ${line}`, fingerprint])
          expect(await kindOf(hostOf(sshd, { hostKeys: [pin] }).ping(signal))).toBe('none');
      }
      expect(await kindOf(hostOf(sshd, { hostKeys: [other] }).ping(signal))).toBe('host_key');
      expect(await kindOf(hostOf(sshd, { hostKeys: [other, sshd.hostKeyFingerprint] }).ping(signal))).toBe('none');
    });

    test('of a type that the host no longer has is a wrong key', async () => {
      const [line] = (await sshdWith({ hostKeyTypes: ['rsa'] })).hostKeyLines;
      const replaced = await sshdWith({ hostKeyTypes: ['ed25519'] });
      expect(await kindOf(hostOf(replaced, { hostKeys: [line ?? ''] }).ping(signal))).toBe('host_key');
    });

    test.each([
      ['none', []],
      ['a word', ['nonsense']],
      ['half a line', ['ssh-ed25519 AAAA']],
      ['a certificate', ['ssh-ed25519-cert-v01@openssh.com AAAA']],
      ['an authority', ['@cert-authority * ssh-ed25519 AAAA']],
    ])('that is %s is a mistake in the configuration', (_, hostKeys) => {
      const sshd = { port: 1, user: 'u', privateKey: '', hostKeyFingerprint: '' };
      expect(() => hostOf(sshd, { hostKeys })).toThrow(expect.objectContaining({ kind: 'configuration' }));
    });
  });

  describe('and our key', () => {
    test('with a passphrase opens it; a wrong passphrase, or no key at all, is a mistake in the configuration', async () => {
      const sshd = await sshdWith();
      execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', '-f', sshd.privateKeyPath]);
      const privateKey = readFileSync(sshd.privateKeyPath, 'utf8');
      expect(await kindOf(hostOf(sshd, { privateKey, passphrase: 'open sesame' }).ping(signal))).toBe('none');
      expect(await kindOf(hostOf(sshd, { privateKey, passphrase: 'wrong' }).ping(signal))).toBe('configuration');
      expect(await kindOf(hostOf(sshd, { privateKey }).ping(signal))).toBe('configuration');
      expect(await kindOf(hostOf(sshd, { privateKey: 'no key' }).ping(signal))).toBe('configuration');
    });

    test('that the host does not know: auth', async () => {
      const sshd = await sshdWith();
      const privateKey = makeKey().private;
      expect(await kindOf(hostOf(sshd, { privateKey }).ping(signal))).toBe('auth');
    });
  });

  describe("that can't be reached", () => {
    test('because nothing listens: unreachable at once', async () => {
      const sshd = await sshdWith();
      await sshd.kill();
      expect(await kindOf(hostOf(sshd).ping(signal))).toBe('unreachable');
      await sshd.restart();
      expect(await kindOf(hostOf(sshd).ping(signal))).toBe('none');
    });

    test('because it takes the connection and says nothing: unreachable when the deadline is over', async () => {
      const { port } = await silentServer();
      const privateKey = makeKey().private;
      const silent = { port, user: 'u', privateKey, hostKeyFingerprint: `SHA256:${'A'.repeat(43)}` };
      await expect(hostOf(silent, { connectDeadlineMs: 300 }).ping(signal)).rejects.toMatchObject({
        kind: 'unreachable',
        message: 'no answer within 300 ms',
      });
    });

    test('because its sshd is frozen: an operation ends at its deadline, and after the thaw all goes on', async () => {
      const sshd = await sshdWith();
      const machine = hostOf(sshd, { deadlineMs: 3_000, connectDeadlineMs: 3_000 });
      await waitFor(() => machine.ping(signal).catch(() => false));
      const frozen = [sshd.pid, ...descendants(sshd.pid).map((one) => one.pid)];
      killAll(frozen, 'SIGSTOP');
      expect(await kindOf(machine.ping(signal))).toBe('unreachable');
      killAll(frozen, 'SIGCONT');
      await waitFor(() => machine.ping(signal).catch(() => false));
    });

    test('because its sshd was restarted: the next operation connects anew by itself', async () => {
      const sshd = await sshdWith();
      const machine = hostOf(sshd);
      const before = await machine.ping(signal);
      await sshd.kill();
      await sshd.restart();
      expect(await machine.ping(signal)).toEqual(before);
    });

    test('any more, because it was closed here', async () => {
      const sshd = await sshdWith();
      const machine = hostOf(sshd);
      await machine.ping(signal);
      closeHosts();
      expect(await kindOf(machine.ping(signal))).toBe('unreachable');
      await waitFor(() => connections(sshd) === 0);
    });
  });

  describe('and its shell', () => {
    test('whose start-up file prints is told apart from an answer, with what it printed', async () => {
      const sshd = await sshdWith();
      writeFileSync(join(sshd.home, '.rc'), 'echo "Welcome to gpu-1!"\n');
      await expect(hostOf(sshd).ping(signal)).rejects.toMatchObject({
        kind: 'noise',
        message: expect.stringContaining('Welcome to gpu-1!'),
      });
    });

    test('whose start-up file complains on standard error disturbs nothing, live output neither', async () => {
      const sshd = await sshdWith();
      writeFileSync(join(sshd.home, '.rc'), 'echo "warning: no such locale" >&2\n');
      const machine = hostOf(sshd);
      const spec = startSpec('echo err >&2; sleep 300');
      await machine.start(spec, signal);
      let live = '';
      const followed = machine.follow(
        spec.attemptId,
        { stdout: 0, stderr: 0 },
        async (piece) => {
          live += `${piece.stream} ${piece.offset} ${Buffer.from(piece.bytes).toString()}`;
        },
        signal,
      );
      await waitFor(() => live === 'stderr 0 err\n');
      await machine.cancel(spec.attemptId, 0, signal);
      await followed;
    });

    test('is given one constant line: ids, numbers and whether it is bounded, never a word of the task', async () => {
      const sshd = await sshdWith();
      writeFileSync(join(sshd.home, '.rc'), 'printf "%s\\n" "$SSH_ORIGINAL_COMMAND" >>executed\n');
      const machine = hostOf(sshd);
      const spec = startSpec('echo "$X"', {
        environment: { X: '$(touch pwned)' },
        input: Buffer.from('; touch pwned'),
      });
      await machine.start(spec, signal);
      await waitFor(async () => (await machine.status(spec.attemptId, signal)).state === 'done');
      await machine.clean(spec.attemptId, signal);
      const executed = readFileSync(join(sshd.home, 'executed'), 'utf8').trim().split('\n');
      // A start may be sent before it is known of what.
      const operation =
        /^exec sh \.taskejo\/w-[0-9a-f]{16}\.sh (?:start suite|[a-z]+ suite [0-9a-f-]{36}(?: [0-9a-f-]+)*)(?: free)?$/;
      expect(
        executed.filter(
          (line) => !operation.test(line) && !line.startsWith("exec sh -c 'umask 077; mkdir -p .taskejo"),
        ),
      ).toEqual([]);
      expect(executed.some((line) => line.includes(' start suite '))).toBe(true);
    });

    test("that can't write its home: home, with the reason", async () => {
      const sshd = await sshdWith();
      writeFileSync(join(sshd.home, '.taskejo'), 'in the way');
      await expect(hostOf(sshd).ping(signal)).rejects.toMatchObject({ kind: 'home' });
    });
  });

  describe('and many operations at once', () => {
    test('shares few connections among them, on a default sshd without one failure', async () => {
      const sshd = await sshdWith();
      const machine = hostOf(sshd);
      await Promise.all(Array.from({ length: 40 }, () => machine.ping(signal)));
      expect(connections(sshd)).toBeLessThan(20);
    });

    test.each([
      { config: ['MaxSessions 2', 'MaxStartups 2:100:3'], count: 12 },
      { config: ['MaxSessions 1', 'MaxStartups 3:50:6'], count: 20 },
    ])('learns a lower limit of channels and gets through a narrow door: $config', async ({ config, count }) => {
      const machine = hostOf(await sshdWith({ config }));
      const kinds = await Promise.all(Array.from({ length: count }, () => kindOf(machine.ping(signal))));
      expect(kinds.filter((kind) => kind !== 'none')).toEqual([]);
    });

    test('whose log another host object reads while the first one writes is whole', async () => {
      const sshd = await sshdWith();
      const [one, two] = [hostOf(sshd), hostOf(sshd)];
      const specs = Array.from({ length: 6 }, () =>
        startSpec('i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo $i; done'),
      );
      await Promise.all(specs.map((spec) => one.start(spec, signal)));
      for (const spec of specs) {
        await waitFor(async () => (await two.status(spec.attemptId, signal)).state === 'done');
        const { bytes } = await wholeLog(two, spec.attemptId, 'stdout', 0, signal);
        expect(bytes.toString()).toBe(Array.from({ length: 50 }, (_, i) => `${i + 1}\n`).join(''));
      }
    });
  });

  test('that sends without end is cut off: our memory is not its to fill', async () => {
    const { server, privateKey, open } = endlessServer();
    const port = await listening(server);
    onTestFinished(() => void server.close());
    const machine = hostOf({
      port,
      user: 'u',
      privateKey: privateKey.user,
      hostKeyFingerprint: privateKey.fingerprint,
    });
    await expect(machine.ping(signal)).rejects.toThrow(/sent more than 65536 bytes/);
    await waitFor(() => open.size === 0);
  });

  async function silentServer(): Promise<{ server: NetServer; port: number }> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
    });
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { server, port: await listening(server) };
  }
});

function listening(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

/** A hostile host: whatever it is asked, it answers with zeros for ever. */
function endlessServer() {
  const folder = mkdtempSync(join(tmpdir(), 'taskejo-hostile-'));
  const path = join(folder, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  const fingerprint = execFileSync('ssh-keygen', ['-lf', path], { encoding: 'utf8' }).split(' ')[1] ?? '';
  const hostKey = readFileSync(path, 'utf8');
  rmSync(folder, { recursive: true });
  const open = new Set<ssh2.Connection>();
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    open.add(client);
    client.on('error', () => {});
    client.on('close', () => open.delete(client));
    client.on('authentication', (request) => request.accept());
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec) => {
        const channel = acceptExec();
        channel.on('error', () => {});
        const more = () => {
          while (channel.writable && channel.write(Buffer.alloc(32_768)));
        };
        channel.on('drain', more);
        more();
      });
    });
  });
  const user = makeKey().private;
  return { server, open, privateKey: { user, fingerprint } };
}
