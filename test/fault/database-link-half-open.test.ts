import { expect, inject, test } from 'vitest';
import { startDatabaseProxy } from '../support/database-proxy.ts';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { startReplica } from '../support/replica.ts';
import { cloneDatabase } from '../support/test-server.ts';

test('connections to the database that fall silent without an end are given up, and all goes on over new ones', async () => {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const way = await startDatabaseProxy(databaseUrl);
  const env = { TASKEJO_DATABASE__STATEMENT_TIMEOUT_SECONDS: '1' };
  const server = await startReplica({ databaseUrl: way.url, env });
  const load = await startLoad({ urls: [server.url], patienceMs: 10_000 });
  await load.goesOn();
  expect(way.silence('taskejo') + way.silence('taskejo wakeups')).toBeGreaterThan(2);
  await load.isBack();
  await load.finish();
  server.signal('SIGTERM');
  expect(await server.exited).toEqual({ code: 0, signal: null });
  await expectOnlyRefused(databaseUrl, load);
});
