import type { Client } from 'ssh2';
import { MachineError } from '../machine.ts';

export type PoolOptions = {
  connect: () => Promise<Client>;
  /** Channels on one connection; sshd allows ten, and frees one only a moment after its end. */
  channels?: number;
  /** Connections being made at once; sshd drops some beyond ten that have not signed in. */
  connecting?: number;
  /** A connection beyond the first that nobody used for so long is closed. */
  idleMs?: number;
  /** How long a lower limit, learnt from a refused channel, is believed. */
  learntMs?: number;
  /** After a connection that failed while others serve, none is tried for so long. */
  coolMs?: number;
  now?: () => number;
};

/** The right to one channel. */
export type Lease = {
  client: Client;
  release(): void;
  /** Gives it back, saying that the host refused the channel. */
  refused(): void;
  /** Gives it back, saying that nothing new should be tried on this connection. */
  suspect(): void;
};

export type Pool = { lease(signal: AbortSignal): Promise<Lease>; close(): void };

type Link = { client: Client; active: number; timer: NodeJS.Timeout | null };
type Waiter = { resolve(lease: Lease): void; reject(error: Error): void };

/** Connections to one host, shared by the channels of many operations; more are opened only when all are full. */
export function createPool({
  connect,
  channels = 8,
  connecting: maxConnecting = 4,
  idleMs = 30_000,
  learntMs = 300_000,
  coolMs = 500,
  now = Date.now,
}: PoolOptions): Pool {
  const links = new Set<Link>();
  const waiters: Waiter[] = [];
  const learnt = { limit: channels, until: 0 };
  let connecting = 0;
  let cooling = false;
  let closed = false;

  const limit = () => (learnt.until > now() ? learnt.limit : channels);

  /** The fullest connection that has room, so that the others fall idle. */
  function roomy(): Link | undefined {
    const free = [...links].filter((link) => link.active < limit());
    return free.sort((a, b) => b.active - a.active)[0];
  }

  function serve(): void {
    for (let link = roomy(); link && waiters.length > 0; link = roomy()) waiters.shift()?.resolve(leaseOf(link));
    while (!closed && !cooling && connecting < maxConnecting && waiters.length > connecting * limit()) void open();
  }

  async function open(): Promise<void> {
    connecting += 1;
    try {
      const client = await connect();
      if (closed) client.destroy();
      else add(client);
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      connecting -= 1;
      serve();
    }
  }

  /** Where other connections serve, a failed one only means that the door is narrow: who waits gets a turn there. */
  function fail(error: Error): void {
    if (links.size === 0) {
      for (const waiter of waiters.splice(0, channels)) waiter.reject(error);
      return;
    }
    cooling = true;
    setTimeout(() => {
      cooling = false;
      serve();
    }, coolMs).unref();
  }

  function add(client: Client): void {
    const link: Link = { client, active: 0, timer: null };
    links.add(link);
    client.once('close', () => {
      drop(link);
      serve();
    });
  }

  function drop(link: Link): void {
    links.delete(link);
    if (link.timer) clearTimeout(link.timer);
  }

  function leaseOf(link: Link): Lease {
    let held = true;
    link.active += 1;
    if (link.timer) clearTimeout(link.timer);
    const giveBack = () => {
      if (!held) return;
      held = false;
      link.active -= 1;
      if (link.active === 0) rest(link);
      serve();
    };
    return {
      client: link.client,
      release: giveBack,
      refused: () => {
        learnt.limit = Math.max(1, Math.min(limit(), link.active - 1));
        learnt.until = now() + learntMs;
        giveBack();
      },
      suspect: () => {
        drop(link);
        giveBack();
      },
    };
  }

  function rest(link: Link): void {
    if (!links.has(link)) return void link.client.end();
    link.timer = setTimeout(() => {
      if (link.active > 0 || links.size < 2) return;
      drop(link);
      link.client.end();
    }, idleMs);
    link.timer.unref();
  }

  function lease(signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (closed) throw new MachineError('unreachable', 'the host was taken out of use');
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiters.splice(waiters.indexOf(waiter), 1);
        reject(signal.reason);
      };
      const settled = () => signal.removeEventListener('abort', onAbort);
      const waiter: Waiter = {
        resolve: (given) => {
          settled();
          resolve(given);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      waiters.push(waiter);
      serve();
    });
  }

  function close(): void {
    closed = true;
    for (const link of links) {
      drop(link);
      link.client.end();
    }
    for (const waiter of waiters.splice(0)) waiter.reject(new MachineError('unreachable', 'the host is being closed'));
  }

  return { lease: async (signal) => await lease(signal), close };
}
