import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { startOwnPostgres } from '../support/own-postgres.ts';
import { startReplica } from '../support/replica.ts';
import { cloneDatabase } from '../support/test-server.ts';
import { waitFor } from '../support/wait-for.ts';

const PATIENT = {
  TASKEJO_DATABASE__STATEMENT_TIMEOUT_SECONDS: '60',
  TASKEJO_DATABASE__LOCK_TIMEOUT_SECONDS: '60',
};

test('a server whose statements all wait for a lock ends with 0 when told to stop', async () => {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const server = await startReplica({ databaseUrl, env: PATIENT });
  const other = new pg.Client({ connectionString: databaseUrl });
  await other.connect();
  onTestFinished(() => other.end());
  await other.query('begin');
  await other.query('lock table tasks in access exclusive mode');
  await waitFor(async () => {
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    return (await other.query(waiting)).rowCount !== 0;
  });
  server.signal('SIGTERM');
  expect(await server.exited).toEqual({ code: 0, signal: null });
  await waitFor(() => server.log().includes('statements that the database has not answered are given up'));
  expect(server.log()).not.toContain('"level":"error"');
});

test('a server whose database stands still ends with 0 when told to stop', async () => {
  const postgres = await startOwnPostgres();
  const server = await startReplica({ databaseUrl: postgres.url, env: PATIENT });
  postgres.freeze();
  // More than it has connections open: new ones are never answered either.
  const waiting = Array.from({ length: 20 }, () => fetch(`${server.url}/readyz`).catch(() => null));
  await Promise.race([...waiting, waitFor(() => server.log().includes('lost their connection'))]);
  server.signal('SIGTERM');
  expect(await server.exited).toEqual({ code: 0, signal: null });
  await Promise.all(waiting);
});
