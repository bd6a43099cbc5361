import { MachineError } from '../machine.ts';
import type { Connection } from './connect.ts';
import { createLinks, type Link, type Links } from './links.ts';

export type PoolOptions = {
  connect: () => Promise<Connection>;
  /** Channels on one connection; sshd allows ten, and frees one only a moment after its end. */
  channels?: number;
  /** Connections being made at once; sshd drops some beyond ten that have not signed in. */
  connecting?: number;
  /** A connection beyond the first that nobody used for so long is ended. */
  idleMs?: number;
  /** How long a lower limit, learnt from a refused channel, is believed. */
  learntMs?: number;
  /** After a connection that failed while others serve, none is tried for so long. */
  coolMs?: number;
  now?: () => number;
};

/** The right to one channel. */
export type Lease = {
  connection: Connection;
  /** Whether anything at all came over the connection since. */
  heard(): boolean;
  release(): void;
  /** Gives it back, saying that the host refused the channel. */
  refused(): void;
  /** Gives it back, saying that nothing new should be tried on this connection. */
  suspect(): void;
};

export type Pool = { lease(signal: AbortSignal): Promise<Lease>; close(): void };

type Waiter = { resolve(lease: Lease): void; reject(error: Error): void };

/** Connections to one host, shared by the channels of many operations; more are opened only when all are full. */
export function createPool(options: PoolOptions): Pool {
  const { connect, connecting: maxConnecting = 4, idleMs = 30_000, coolMs = 500 } = options;
  const limit = createLimit(options);
  const links = createLinks({ idleMs, onLost: () => serve() });
  const waiters: Waiter[] = [];
  const part = { links, limit, serve };
  let connecting = 0;
  let cooling = false;
  /** The last connection could not be made, and there is no other: one at a time is tried, for all who wait. */
  let doubtful = false;
  let closed = false;

  function serve(): void {
    const room = () => links.roomy(limit.value());
    for (let link = room(); link && waiters.length > 0; link = room()) waiters.shift()?.resolve(leaseOf(link, part));
    const short = () => waiters.length > connecting * limit.value();
    const most = () => (doubtful ? 1 : maxConnecting);
    while (!closed && !cooling && connecting < most() && short()) void open();
  }

  async function open(): Promise<void> {
    connecting += 1;
    try {
      const connection = await connect();
      doubtful = false;
      if (closed) connection.cut();
      else links.add(connection);
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      connecting -= 1;
      serve();
    }
  }

  /** Where other connections serve, a failed one only means that the door is narrow: who waits gets a turn there. */
  function fail(error: Error): void {
    if (isRefusal(error)) refuse(error);
    else if (links.size > 0) cool();
    else despair(error);
  }

  /** Those whom this connection was for are told; by the last one that was tried, all. */
  function despair(error: Error): void {
    doubtful = true;
    const count = connecting === 1 ? waiters.length : limit.value();
    for (const waiter of waiters.splice(0, count)) waiter.reject(error);
  }

  function cool(): void {
    cooling = true;
    const warm = () => {
      cooling = false;
      serve();
    };
    setTimeout(warm, coolMs).unref();
  }

  /** Who doesn't know us any more, or isn't who it was, gets nothing new over older connections either. */
  function refuse(error: Error): void {
    links.dropAll();
    for (const waiter of waiters.splice(0)) waiter.reject(error);
  }

  async function lease(signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (closed) throw new MachineError('unreachable', 'the host was taken out of use');
    const leased = waitAmong(waiters, signal);
    serve();
    return await leased;
  }

  function close(): void {
    closed = true;
    refuse(new MachineError('unreachable', 'the host is being taken out of use'));
  }

  return { lease, close };
}

/** A channel of one connection, until it is given back. */
function leaseOf(
  link: Link,
  { links, limit, serve }: { links: Links; limit: ReturnType<typeof createLimit>; serve: () => void },
): Lease {
  let held = true;
  const { connection } = link;
  const before = connection.received();
  links.take(link);
  // Counted now: when refusals of one burst come in, those before them have given their channels back already.
  const besides = link.active - 1;
  const release = () => {
    if (!held) return;
    held = false;
    links.giveBack(link);
    serve();
  };
  const refused = () => {
    limit.lower(besides);
    release();
  };
  const suspect = () => {
    links.drop(link);
    release();
  };
  const heard = () => connection.received() !== before;
  return { connection, heard, release, refused, suspect };
}

/** Who gives up stands in nobody's way any more. */
function waitAmong(waiters: Waiter[], signal: AbortSignal): Promise<Lease> {
  const { promise, resolve, reject } = Promise.withResolvers<Lease>();
  const waiter: Waiter = { resolve, reject };
  const onAbort = () => {
    const at = waiters.indexOf(waiter);
    if (at >= 0) waiters.splice(at, 1);
    reject(signal.reason);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  waiters.push(waiter);
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}

/** An answer that the next try gets too, unlike that of a host that is away or busy. */
export const isRefusal = (error: unknown): error is MachineError =>
  error instanceof MachineError && error.kind !== 'unreachable';

/** How many channels a connection may carry: less for a while after the host refused one. */
function createLimit({ channels = 8, learntMs = 300_000, now = Date.now }: PoolOptions) {
  let learnt = channels;
  let until = 0;
  const value = () => (until > now() ? learnt : channels);
  return {
    value,
    lower: (to: number) => {
      learnt = Math.max(1, Math.min(value(), to));
      until = now() + learntMs;
    },
  };
}
