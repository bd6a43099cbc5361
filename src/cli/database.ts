import type { DatabaseAddress } from '../store/address.ts';
import { CliError, EXIT } from './errors.ts';

type Place = { databaseUrl: string | null; dataDir: string };
export type OpenAddress = { address: DatabaseAddress; close: () => Promise<void> };

/** The database of a configuration; the embedded one is started for as long as it is open. */
export async function openAddress({ databaseUrl, dataDir }: Place): Promise<OpenAddress> {
  if (databaseUrl !== null) return { address: { connectionString: databaseUrl }, close: async () => {} };
  const { startEmbedded } = await import('../store/embedded/start-embedded.ts');
  const embedded = await startEmbedded({ dataDir });
  return { address: embedded, close: embedded.stop };
}

/** The same, but the embedded one of a server that runs is used as it is. */
export async function openBesideServer(place: Place): Promise<OpenAddress> {
  const { findRunningEmbedded } = await import('../store/embedded/running.ts');
  const running = place.databaseUrl === null ? await findRunningEmbedded(place.dataDir) : null;
  return running === null ? openAddress(place) : { address: running, close: async () => {} };
}

/** What a database that isn't there says; its own words where it has any. */
export function unreachable(error: unknown): never {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (code === null) throw error;
  throw new CliError(`the database cannot be reached: ${(error as Error).message || code}`, EXIT.failed, {
    cause: error,
  });
}
