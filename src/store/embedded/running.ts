import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { addressOptions, type DatabaseAddress } from '../address.ts';

/** Where the embedded database of a data directory answers; null while no server runs on it. */
export async function findRunningEmbedded(dataDir: string): Promise<DatabaseAddress | null> {
  // A deep data directory only links to the folder of its socket, whose path must be short.
  const host = await realpath(join(dataDir, 'socket')).catch(() => null);
  if (host === null) return null;
  const address = { host, user: 'taskejo', database: 'taskejo' };
  const client = new pg.Client({ ...addressOptions(address), connectionTimeoutMillis: 5_000 });
  client.on('error', () => {}); // the query that it hits fails with the same one
  try {
    await client.connect();
  } catch {
    return null;
  }
  await client.end();
  return address;
}
