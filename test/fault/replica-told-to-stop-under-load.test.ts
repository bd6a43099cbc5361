import { expect, inject, test } from 'vitest';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { ADMIN_TOKEN, startReplica } from '../support/replica.ts';
import { cloneDatabase } from '../support/test-server.ts';

const post = (url: string, path: string, token: string, body: object) =>
  fetch(`${url}/api/v1${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });

test('a replica told to stop under load answers all that it took, tells who waits, and ends with 0', async () => {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const stopped = await startReplica({ databaseUrl });
  const other = await startReplica({ databaseUrl });
  const { token } = (await (await post(stopped.url, '/agents/register', ADMIN_TOKEN, { name: 'waits' })).json()) as {
    token: string;
  };
  const load = await startLoad({ urls: [stopped.url, other.url], requires: ['load'] });
  await load.goesOn();
  const waiting = Array.from({ length: 5 }, () => post(stopped.url, '/tasks/dequeue', token, { wait_seconds: 60 }));
  await load.goesOn(); // requests that came later were answered
  const before = performance.now();
  stopped.signal('SIGTERM');
  expect(await stopped.exited).toEqual({ code: 0, signal: null });
  // A busy machine needs some seconds; who was not told would wait for a minute.
  expect(performance.now() - before).toBeLessThan(30_000);
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([204, 204, 204, 204, 204]);
  await load.goesOn();
  await load.finish();
  expect(stopped.log()).not.toContain('"level":"error"');
  await expectOnlyRefused(databaseUrl, load, { unanswered: true });
});
