import { expect, inject, test } from 'vitest';
import { expectHealthy } from '../support/examine.ts';
import { startLoad } from '../support/load.ts';
import { expectWrittenOnce } from '../support/load-check.ts';
import { startReplica } from '../support/replica.ts';
import { cloneDatabase } from '../support/test-server.ts';

test('of what was acknowledged nothing is lost when replicas are killed, and each task is completed once', async () => {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const replicas = await Promise.all([startReplica({ databaseUrl }), startReplica({ databaseUrl })]);
  const load = await startLoad({ urls: replicas.map(({ url }) => url) });
  await load.goesOn();
  for (const victim of replicas) {
    victim.signal('SIGKILL');
    await victim.exited;
    await load.goesOn();
    await startReplica({ databaseUrl, listen: new URL(victim.url).host });
  }
  await load.goesOn();
  await load.finish();
  expect(load.othersThan(0, 200, 201, 204)).toEqual([]);
  await expectWrittenOnce(databaseUrl, load);
  await expectHealthy({ databaseUrl });
});
