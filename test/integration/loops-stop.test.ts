import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { startLoops } from '../../src/loops/index.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';

it('the loops stop in order also where the database takes no farewell', async () => {
  const deps = await createTestDeps(await createTestDatabase());
  const warned: string[] = [];
  const log = { debug() {}, info() {}, warn: (_: object, message: string) => void warned.push(message), error() {} };
  const loops = await startLoops({
    deps,
    installation: { id: randomUUIDv7(), secret: Buffer.from('secret') },
    hosts: [],
    probeSeconds: 1,
    publicUrl: () => 'http://127.0.0.1:1',
    metrics: createMetrics({ ofProcess: false }),
    log,
  });
  await sql`alter table replicas rename to away`.execute(deps.db);
  await loops.stop();
  expect(warned).toEqual([expect.stringContaining('could not be let go of')]);
  await deps.stop();
});
