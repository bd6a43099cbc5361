import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { MachineError } from '../../../src/executor/machine.ts';
import type { Connection } from '../../../src/executor/ssh/connect.ts';
import { createPool, type Lease } from '../../../src/executor/ssh/pool.ts';

/** Stands for a connection: the pool only listens to its end and ends it. */
function fake() {
  const client = new EventEmitter();
  const made = { client, ended: false, end, cut: end, received: () => 0, close: () => client.emit('close') };
  function end() {
    made.ended = true;
  }
  return made;
}
const asConnection = (one: ReturnType<typeof fake>) => one as unknown as Connection;

describe('a pool of connections to one host', () => {
  const { signal } = new AbortController();
  const open = (options: { channels?: number; connecting?: number; idleMs?: number; now?: () => number } = {}) => {
    const made: ReturnType<typeof fake>[] = [];
    let most = 0;
    let pending = 0;
    const connect = async () => {
      pending += 1;
      most = Math.max(most, pending);
      await new Promise((resolve) => setImmediate(resolve));
      pending -= 1;
      const connection = fake();
      made.push(connection);
      return asConnection(connection);
    };
    return { pool: createPool({ connect, ...options }), made, mostConnecting: () => most };
  };
  const leases = (pool: { lease(signal: AbortSignal): Promise<Lease> }, count: number) =>
    Promise.all(Array.from({ length: count }, () => pool.lease(signal)));

  test('opens a further connection only when all channels are taken, and so many at once', async () => {
    const { pool, made, mostConnecting } = open();
    const first = await leases(pool, 8);
    expect(made.length).toBe(1);
    await leases(pool, 40);
    expect(made.length).toBe(6);
    expect(mostConnecting()).toBeLessThanOrEqual(4);
    first[0]?.release();
    expect((await pool.lease(signal)).connection).toBe(first[0]?.connection);
  });

  test('closes what lies idle, but keeps one', async () => {
    const { pool, made } = open({ idleMs: 5 });
    for (const lease of await leases(pool, 24)) lease.release();
    expect(made.length).toBe(3);
    await expect.poll(() => made.filter((one) => one.ended).length).toBe(2);
  });

  test('believes a refused channel for a while, then tries again', async () => {
    let clock = 0;
    const { pool, made } = open({ now: () => clock });
    const three = await leases(pool, 3);
    three[2]?.refused();
    await leases(pool, 1);
    expect(made.length).toBe(2);
    clock += 300_001;
    await leases(pool, 5);
    expect(made.length).toBe(2);
  });

  test('learns once from refusals of channels that were asked for when as many others were open', async () => {
    const { pool, made } = open();
    const eight = await leases(pool, 8);
    const late: Lease[] = [];
    for (const lease of eight.slice(0, 3)) {
      lease.release();
      late.push(await pool.lease(signal));
    }
    for (const lease of late) lease.refused();
    await leases(pool, 2);
    expect(made.length).toBe(1);
    await leases(pool, 1);
    expect(made.length).toBe(2);
  });

  test('forgets a connection that ended, and one that is suspect', async () => {
    const { pool, made } = open();
    await pool.lease(signal);
    made[0]?.close();
    const second = await pool.lease(signal);
    expect(made.length).toBe(2);
    second.suspect();
    expect(made[1]?.ended).toBe(true);
    await pool.lease(signal);
    expect(made.length).toBe(3);
  });

  test('tells who waits why no connection came', async () => {
    const pool = createPool({ connect: () => Promise.reject(new MachineError('auth', 'no')) });
    await expect(Promise.all([pool.lease(signal), pool.lease(signal)])).rejects.toMatchObject({ kind: 'auth' });
  });

  test('tells all who wait that nobody is there, after one connection each way and not one for every eight', async () => {
    let tries = 0;
    let there = false;
    const connect = async () => {
      tries += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (there) return asConnection(fake());
      throw new MachineError('unreachable', 'nobody');
    };
    const pool = createPool({ connect });
    const kinds = (count: number) =>
      Promise.all(Array.from({ length: count }, () => pool.lease(signal).catch(({ kind }) => kind)));
    expect(await kinds(100)).toEqual(Array(100).fill('unreachable'));
    expect(tries).toBe(4);
    expect(await kinds(100)).toEqual(Array(100).fill('unreachable'));
    expect(tries).toBe(5);
    there = true;
    expect((await leases(pool, 40)).length).toBe(40);
    expect(tries).toBe(10);
  });

  test('lets who waits wait on, while other connections serve', async () => {
    let tries = 0;
    const connect = () => {
      tries += 1;
      if (tries === 1) return Promise.resolve(asConnection(fake()));
      return Promise.reject(new MachineError('unreachable', 'dropped'));
    };
    const pool = createPool({ connect, channels: 1 });
    const taken = await pool.lease(signal);
    const waiting = pool.lease(signal);
    await expect.poll(() => tries).toBe(2);
    taken.release();
    expect((await waiting).connection).toBe(taken.connection);
  });

  test('gives nobody a channel any more after a refusal, over older connections neither', async () => {
    const old = [fake(), fake()];
    let made = 0;
    const connect = async () => {
      const one = old[made++];
      if (one === undefined) throw new MachineError('host_key', 'another machine');
      return asConnection(one);
    };
    const pool = createPool({ connect, channels: 1 });
    const [working, idle] = await leases(pool, 2);
    const waiting = leases(pool, 3);
    await expect(waiting).rejects.toMatchObject({ kind: 'host_key' });
    idle?.release();
    await expect(pool.lease(signal)).rejects.toMatchObject({ kind: 'host_key' });
    expect(old.map((one) => one.ended)).toEqual([false, true]);
    working?.release();
    expect(old[0]?.ended).toBe(true);
  });

  test('lets who waits give up', async () => {
    const pool = createPool({ connect: () => new Promise(() => {}) });
    const giving = new AbortController();
    const waiting = pool.lease(giving.signal);
    giving.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    pool.close();
    await expect(pool.lease(signal)).rejects.toMatchObject({ kind: 'unreachable' });
  });
});
