import { expect, inject, test } from 'vitest';
import { openDatabase } from '../../src/store/pool.ts';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { startReplica } from '../support/replica.ts';
import { cloneDatabase } from '../support/test-server.ts';

test('columns that a newer program adds while this one serves cost at most a repeat, never an error for good', async () => {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const server = await startReplica({ databaseUrl });
  const { pool, close } = openDatabase({ connectionString: databaseUrl, max: 1 });
  const load = await startLoad({ urls: [server.url] });
  await load.goesOn(); // statements are prepared by now
  for (const table of ['tasks', 'attempts', 'agents', 'tokens', 'lanes', 'events']) {
    await pool.query(`alter table ${table} add column of_a_newer_program text`);
    await load.isBack({ tasks: 10 });
  }
  await close();
  await load.finish();
  expect(server.log()).not.toContain('"level":"error"');
  await expectOnlyRefused(databaseUrl, load);
});
