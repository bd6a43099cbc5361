import { expect, inject, test } from 'vitest';
import { startDatabaseProxy } from '../support/database-proxy.ts';
import { expectHealthy } from '../support/examine.ts';
import { startLoad } from '../support/load.ts';
import { expectWrittenOnce } from '../support/load-check.ts';
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
  await load.goesOn({ timeoutMs: 10_000 });
  await load.finish();
  expect(load.othersThan(200, 201, 204, 503)).toEqual([]);
  expect(load.client.refusals.filter(({ code, retryAfter }) => code !== 'unavailable' || !retryAfter)).toEqual([]);
  server.signal('SIGTERM');
  expect(await server.exited).toEqual({ code: 0, signal: null });
  await expectWrittenOnce(databaseUrl, load);
  await expectHealthy({ databaseUrl });
});
