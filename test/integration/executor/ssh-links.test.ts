import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { expect, onTestFinished, test } from 'vitest';
import { makeKey } from '../../../src/demo/ssh-keys.ts';
import { NotSent } from '../../../src/executor/machine.ts';
import { execute } from '../../../src/executor/ssh/channel.ts';
import { connect } from '../../../src/executor/ssh/connect.ts';
import type { SshHostOptions } from '../../../src/executor/ssh/host.ts';
import { pinHostKeys } from '../../../src/executor/ssh/host-key.ts';
import { startSpec } from '../../suites/machine-suite.ts';
import { type LinkProxy, startLinkProxy } from '../../support/link-proxy.ts';
import { describeIf } from '../../support/require.ts';
import { sshHostOf } from '../../support/ssh-host.ts';
import { connections, followQuiet, kindOf, sshParts } from '../../support/ssh-parts.ts';
import { waitFor } from '../../support/wait-for.ts';

describeIf('sshd', 'a link to a host', () => {
  const { signal } = new AbortController();
  const { sshdWith, kept, closeHosts } = sshParts();
  const through = async (more: Partial<SshHostOptions> = {}) => {
    const sshd = await sshdWith();
    const proxy = await startLinkProxy(sshd.port);
    const { machine } = kept(sshHostOf(sshd, { port: proxy.port, ...more }));
    return { sshd, proxy, machine };
  };

  test.each([
    ['reset', (proxy: LinkProxy) => proxy.cut()],
    ['ended by the host', (proxy: LinkProxy) => proxy.finish()],
  ])('that is %s is replaced by the next operation, and who reads from it is told at once', async (_, end) => {
    const { proxy, machine } = await through();
    const { lost } = await followQuiet(machine, signal);
    end(proxy);
    await lost;
    expect(await kindOf(machine.ping(signal))).toBe('none');
  });

  test('that is cut again and again loses no operation that may be repeated', async () => {
    const { proxy, machine } = await through();
    await machine.ping(signal);
    for (let n = 0; n < 10; n += 1) {
      const asked = kindOf(machine.ping(signal));
      proxy.cut();
      expect(await asked).toBe('none');
    }
  });

  test('that goes half-open is noticed by the first operation without an answer, for all that read from it', async () => {
    const { proxy, machine } = await through({ deadlineMs: 3_000 });
    const { lost } = await followQuiet(machine, signal);
    proxy.stall();
    expect(await kindOf(machine.ping(signal))).toBe('unreachable');
    await lost;
    await waitFor(() => machine.ping(signal).catch(() => null));
  });

  test('over which a start could not be sent tells it from one over which it may have been', async () => {
    // Time enough for a slow machine to take the command of which nothing comes.
    const { sshd, proxy, machine } = await through({ deadlineMs: 3_000, connectDeadlineMs: 5_000 });
    const isSent = () =>
      machine.start(startSpec('true'), signal).then(
        () => true,
        (error: unknown) => !(error instanceof NotSent),
      );
    expect(await isSent()).toBe(true);
    proxy.stall(); // signed in, and no channel opens
    expect(await isSent()).toBe(false);
    writeFileSync(join(sshd.home, '.rc'), 'exec sleep 300\n'); // the command is taken, and nothing comes of it
    expect(await isSent()).toBe(true);
    await sshd.kill();
    proxy.cut();
    expect(await isSent()).toBe(false);
  });

  test('that goes half-open while nobody asks is noticed by its keepalive', async () => {
    const { proxy, machine } = await through({ keepaliveMs: 500 });
    const { lost } = await followQuiet(machine, signal);
    proxy.stall();
    await lost;
  });

  test('that stalls, and goes on within the deadline, loses nothing', async () => {
    const { proxy, machine } = await through();
    const before = await machine.ping(signal);
    const goOn = proxy.stall(true);
    const asked = machine.ping(signal);
    setImmediate(goOn);
    expect(await asked).toEqual(before);
    expect(proxy.begun()).toBe(1);
  });

  test('that nothing passes from the first byte on is given up at the deadline, and parted from', async () => {
    const { proxy, machine } = await through({ connectDeadlineMs: 300 });
    const goOn = proxy.stall(true);
    expect(await kindOf(machine.ping(signal))).toBe('unreachable');
    goOn();
    await waitFor(() => proxy.open() === 0);
  });

  test('is parted from though the other side never says good-bye', async () => {
    const { proxy, machine } = await through();
    await machine.ping(signal);
    proxy.stall();
    const sockets = () => process.getActiveResourcesInfo().filter((one) => one === 'TCPSocketWrap').length;
    const before = sockets();
    closeHosts();
    await waitFor(() => sockets() < before);
  });

  test('is not harmed by a bad byte, which never gets so far', async () => {
    const { proxy, machine } = await through();
    await machine.ping(signal);
    for (const bad of ['a\0b', 'a;b', '$(b)', 'a\nb', '../a', ''])
      expect(await kindOf(machine.status(bad, signal))).toBe('configuration');
    await machine.ping(signal);
    expect(proxy.begun()).toBe(1);
  });

  test('serves a hundred operations at once on a sshd as it comes, without one failure', async () => {
    const sshd = await sshdWith();
    const { machine } = kept(sshHostOf(sshd));
    const asked = await Promise.all(Array.from({ length: 100 }, () => kindOf(machine.ping(signal))));
    expect(asked).toEqual(Array(100).fill('none'));
    // How many it takes exactly is up to sshd, which refuses channels while it hasn't freed those that ended before.
    expect(connections(sshd)).toBeLessThan(50);
  });

  test('over which a host sends more than we have taken, past its window, is cut off', async () => {
    const { port, hostKey, clients } = await flood();
    const to = { address: '127.0.0.1', port, user: 'u', privateKey: makeKey().private };
    const connection = await connect(to, pinHostKeys([hostKey]), { deadlineMs: 10_000, keepaliveMs: 0, signal });
    const taken: number[] = [];
    const asked = execute(connection, 'anything', {
      stdin: new Uint8Array(),
      repeatable: false,
      maxBytes: Number.POSITIVE_INFINITY,
      signal,
      onOutput: (_, chunk) => {
        taken.push(chunk.length);
        return new Promise(() => {}); // a database that takes its time
      },
    });
    await expect(asked).rejects.toThrow(/sent more than/);
    expect(taken).toHaveLength(1);
    connection.cut();
    await waitFor(() => clients.size === 0);
  });
});

/** A hostile host that sends without end and heeds no window. */
async function flood() {
  const { private: key, public: hostKey } = makeKey();
  const clients = new Set<ssh2.Connection>();
  const server = new ssh2.Server({ hostKeys: [key] }, (client) => {
    clients.add(client);
    client.on('error', () => {});
    client.on('close', () => clients.delete(client));
    client.on('authentication', (request) => request.accept());
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec) => {
        const channel = acceptExec() as ssh2.ServerChannel & { outgoing: { window: number } };
        channel.on('error', () => {});
        const more = () => {
          if (!clients.has(client)) return;
          channel.outgoing.window = 2 ** 40;
          channel.write(Buffer.alloc(30_000));
          setImmediate(more);
        };
        more();
      });
    });
  });
  onTestFinished(() => void server.close());
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  return { port, hostKey, clients };
}
