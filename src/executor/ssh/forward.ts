import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { MachineError } from '../machine.ts';
import type { Address } from './connect.ts';
import type { Pool } from './pool.ts';

/** The host in between could not be used. Whatever it lacks, of the host behind it that tells only that it is away. */
export class NoWay extends MachineError {
  constructor(why: string, cause: unknown) {
    super('unreachable', `no way through the jump host: ${why}`, { cause });
  }
}

/** What a host says that doesn't want to, as opposed to one that can't. */
const PROHIBITED = 1;
const FORBIDDEN = new Error('it lets nobody through (AllowTcpForwarding, PermitOpen)');

/** Opens a way to an address through the host of this pool. The channel is given back when the way is closed. */
export async function forward(pool: Pool, to: Address, signal: AbortSignal): Promise<Duplex> {
  try {
    const lease = await pool.lease(signal);
    try {
      const way = await openWay(lease.connection.client, to, signal);
      way.once('close', lease.release);
      return way;
    } catch (error) {
      if (signal.aborted && !lease.heard()) lease.connection.cut(); // the time is over, and nobody is there
      lease.release();
      throw error;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new NoWay(error instanceof Error ? error.message : String(error), error);
  }
}

function openWay(client: Client, { address, port }: Address, signal: AbortSignal): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    client.forwardOut('127.0.0.1', 0, address, port, (error, way) => {
      if (error) return reject('reason' in error && error.reason === PROHIBITED ? FORBIDDEN : error);
      way.on('error', () => {}); // followed by close
      if (signal.aborted) way.destroy();
      resolve(way);
    });
  } catch (error) {
    reject(error);
  }
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}
