import { expect, test } from 'vitest';
import { expectHealthy } from '../support/examine.ts';
import { createInsistentClient } from '../support/insistent-client.ts';
import { startOwnPostgres } from '../support/own-postgres.ts';
import { startReplica } from '../support/replica.ts';
import { waitFor } from '../support/wait-for.ts';

const SECONDS = 6;

test('a PostgreSQL frozen for longer than the leases ends no lease', async () => {
  const postgres = await startOwnPostgres();
  const env = {
    TASKEJO_LEASES__SECONDS: String(SECONDS),
    TASKEJO_LEASES__RENEW_SECONDS: '0.5',
    TASKEJO_LEASES__SWEEP_SECONDS: '0.5',
    TASKEJO_DATABASE__STATEMENT_TIMEOUT_SECONDS: '2',
  };
  const one = () => startReplica({ databaseUrl: postgres.url, env });
  const replicas = await Promise.all([one(), one()]);
  const { ask, statuses } = createInsistentClient(replicas.map(({ url }) => url));
  const agent = (await ask('POST', '/api/v1/agents/register', { body: { name: 'a', capacity: 20 } })).json.token;
  const body = Array.from({ length: 20 }, (_, n) => ({ title: `${n}`, command: ['true'] }));
  await ask('POST', '/api/v1/tasks', { body });
  const taken = await ask('POST', '/api/v1/tasks/dequeue', { body: { max_tasks: 20 }, token: agent });
  const held: { id: string; attempt: { id: string } }[] = taken.json.tasks;
  expect(held).toHaveLength(20);

  postgres.freeze();
  const frozenAt = Date.now();
  const meanwhile = Promise.all(held.map(({ id }) => ask('GET', `/api/v1/tasks/${id}`)));
  await waitFor(() => Date.now() - frozenAt > (SECONDS + 1) * 1000, { what: 'every lease has lapsed' });
  postgres.thaw();
  expect((await meanwhile).map(({ json }) => json.status)).toEqual(held.map(() => 'assigned'));
  const [thawed] = await postgres.query<{ at: string }>('select clock_timestamp()::text as at');
  await waitFor(async () => {
    const swept = 'select from beat where previous_at > $1::timestamptz';
    return (await postgres.query(swept, [thawed?.at])).length > 0;
  });
  const ended = await Promise.all(
    held.map(({ attempt }) => {
      const path = `/api/v1/attempts/${attempt.id}/complete`;
      return ask('POST', path, { body: { outcome: 'completed' }, token: agent });
    }),
  );
  expect(ended.map(({ json }) => json.task_status)).toEqual(held.map(() => 'completed'));
  expect([...statuses.keys()].filter((status) => ![0, 200, 201, 503].includes(status))).toEqual([]);
  await expectHealthy({ databaseUrl: postgres.url });
});
