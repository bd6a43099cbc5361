import { test } from 'vitest';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { startOwnPostgres } from '../support/own-postgres.ts';
import { startReplica } from '../support/replica.ts';
import { waitFor } from '../support/wait-for.ts';

test('a PostgreSQL that is killed and comes back loses nothing, and all goes on by itself', async () => {
  const postgres = await startOwnPostgres();
  const server = await startReplica({ databaseUrl: postgres.url });
  const load = await startLoad({ urls: [server.url] });
  await load.goesOn();
  for (let round = 0; round < 2; round += 1) {
    const refused = load.client.refusals.length;
    await postgres.kill();
    await waitFor(() => load.client.refusals.length > refused);
    await postgres.start();
    await load.isBack();
  }
  await load.finish();
  await expectOnlyRefused(postgres.url, load);
});
