import { expect, test } from 'vitest';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { startOwnPostgres } from '../support/own-postgres.ts';
import { ADMIN_TOKEN, startReplica } from '../support/replica.ts';
import { waitFor } from '../support/wait-for.ts';

test('while the database can only be read, what writes is refused with 503, and goes on when it can be written', async () => {
  const postgres = await startOwnPostgres();
  const server = await startReplica({ databaseUrl: postgres.url });
  const load = await startLoad({ urls: [server.url] });
  await load.goesOn();
  const readOnly = async (value: 'on' | 'off') => {
    await postgres.query(`alter system set default_transaction_read_only = ${value}`);
    await postgres.query('select pg_reload_conf()');
  };
  const refused = load.client.refusals.length;
  await readOnly('on');
  await waitFor(() => load.client.refusals.length >= refused + 20);
  const read = await fetch(`${server.url}/api/v1/tasks`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } });
  expect(read.status).toBe(200);
  await readOnly('off');
  await load.isBack();
  await load.finish();
  await expectOnlyRefused(postgres.url, load);
});

test('so it is where another database answers in place of the one that can be written, until that is back', async () => {
  const postgres = await startOwnPostgres();
  const server = await startReplica({ databaseUrl: postgres.url });
  const load = await startLoad({ urls: [server.url] });
  await load.goesOn();
  // As after a failover to a standby and back: it is the sessions that can't write, not the server.
  const sessions = async (change: string) => {
    await postgres.query(`alter database taskejo ${change}`);
  };
  const refused = load.client.refusals.length;
  await sessions('set default_transaction_read_only = on');
  await postgres.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
  await waitFor(() => load.client.refusals.length >= refused + 100);
  await postgres.query('begin read write; alter database taskejo reset default_transaction_read_only; commit');
  const isCalm = async () => {
    const before = load.client.refusals.length;
    await load.goesOn();
    return load.client.refusals.length === before;
  };
  await waitFor(isCalm);
  await load.finish();
  await expectOnlyRefused(postgres.url, load);
});
