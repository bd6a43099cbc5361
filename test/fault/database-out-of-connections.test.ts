import { test } from 'vitest';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { startOwnPostgres } from '../support/own-postgres.ts';
import { startReplica } from '../support/replica.ts';
import { waitFor } from '../support/wait-for.ts';

test('while the database has no connection to give requests are refused with 503, and go on when it has', async () => {
  const postgres = await startOwnPostgres();
  // Limits don't hold for the superuser that made the database.
  await postgres.query('create role app login');
  await postgres.query('alter database taskejo owner to app');
  await postgres.query('alter schema public owner to app');
  const databaseUrl = postgres.url.replace('taskejo@', 'app@');
  const server = await startReplica({ databaseUrl });
  const load = await startLoad({ urls: [server.url] });
  await load.goesOn();
  const refused = load.client.refusals.length;
  await postgres.query('alter role app connection limit 0');
  await postgres.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`);
  await waitFor(() => load.client.refusals.length >= refused + 20);
  await postgres.query('alter role app connection limit -1');
  await load.isBack();
  await load.finish();
  await expectOnlyRefused(postgres.url, load);
});
