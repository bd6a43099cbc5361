import type { Kysely } from 'kysely';
import { expect } from 'vitest';
import type { Breach } from '../../src/domain/doctor/breach.ts';
import { openDatabase } from '../../src/store/pool.ts';
import type { Database } from '../../src/store/schema.ts';
import { examine } from '../../src/usecases/upkeep/examine.ts';

const PATIENCE_SECONDS = 600;

/** Every breach of an invariant that the database shows. */
export async function breachesOf(db: Kysely<Database>, patienceSeconds = PATIENCE_SECONDS): Promise<Breach[]> {
  const breaches: Breach[] = [];
  await examine(db, { patienceSeconds, tell: (breach) => breaches.push(breach) });
  return breaches;
}

/** What `taskejo doctor` says, at the end of a test: nothing. The server may be running. */
export async function expectHealthy(database: Kysely<Database> | { databaseUrl: string }): Promise<void> {
  if (!('databaseUrl' in database)) {
    expect(await breachesOf(database)).toEqual([]);
    return;
  }
  const opened = openDatabase({ connectionString: database.databaseUrl, max: 1, statementTimeoutSeconds: 60 });
  try {
    expect(await breachesOf(opened.db)).toEqual([]);
  } finally {
    await opened.close();
  }
}
