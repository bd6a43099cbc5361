import { test } from 'vitest';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { startOwnPostgres } from '../support/own-postgres.ts';
import { startReplica } from '../support/replica.ts';

test('connections that the database ends under load are made again, and nothing is done twice or lost', async () => {
  const postgres = await startOwnPostgres();
  const server = await startReplica({ databaseUrl: postgres.url });
  const load = await startLoad({ urls: [server.url] });
  for (let round = 0; round < 20; round += 1) {
    await load.goesOn({ tasks: 5 });
    await postgres.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );
  }
  await load.isBack();
  await load.finish();
  await expectOnlyRefused(postgres.url, load);
});
