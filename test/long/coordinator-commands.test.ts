import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { commandsFor } from '../support/command-line.ts';
import { playAgent } from '../support/played-agent.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { temporaryFolder } from '../support/temporary.ts';

const { server } = await serverOfFile();
const agent = await playAgent(server, 'player', ['played']);
const { env, cli, ok } = commandsFor(server, 'task');
const create = (...args: string[]) => ok('create', '--title', 'Steered', ...args, '--', 'true');
const json = async (...args: string[]) => JSON.parse(await ok(...args, '--json')) as Task;
const fail = async () => {
  const attempt = await agent.take();
  await agent.end(attempt, { outcome: 'failed', exit_code: 9, error: 'it broke' });
};

test('a task is made with its gates, changed and approved', async () => {
  const first = await create('--require', 'never');
  const id = await create(
    '--require',
    'never',
    '--depends-on',
    first,
    '--requires-approval',
    '--concurrency-key',
    'k',
    '--run-after',
    '2099-01-01T00:00:00Z',
    '--on-dependency-failure',
    'wait',
    '--max-retries',
    '2',
  );
  expect(await json('show', id)).toMatchObject({
    depends_on: [first],
    on_dependency_failure: 'wait',
    requires_approval: true,
    concurrency_key: 'k',
    run_after: '2099-01-01T00:00:00.000000Z',
    max_retries: 2,
  });
  expect(await ok('patch', id, '--priority', 'high', '--now', '--require', 'other')).toMatch(/version 2$/);
  const stale = await cli(['approve', id, '--task-version', '1']);
  expect(stale).toMatchObject({ code: 1, stderr: expect.stringContaining('version_mismatch') });
  expect(await json('approve', id)).toMatchObject({ priority: 5, run_after: null, requires: ['other'], version: 3 });
  const nothing = await cli(['patch', id]);
  expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('say what is to be changed') });
});

test('a task is made from JSON, and what is said stands over it', async () => {
  const file = join(temporaryFolder(), 'task.json');
  const body = { title: 'From a file', command: ['make'], requires: ['never'], limits: { processes: 7 }, priority: 1 };
  await writeFile(file, JSON.stringify(body));
  const made = await json('create', '--from', file, '--priority', 'urgent', '--idempotency-key', 'once');
  expect(made).toMatchObject({ ...body, priority: 8, limits: { processes: 7 } });
  expect(await ok('create', '--from', file, '--priority', 'urgent', '--idempotency-key', 'once')).toBe(made.id);
  const input = await cli(['create', '--from', '-'], { input: JSON.stringify({ command: ['make'] }) });
  expect(input).toMatchObject({ code: 2, stderr: expect.stringContaining('--title') });
  await writeFile(file, '[]');
  expect(await cli(['create', '--from', file])).toMatchObject({ code: 2 });
});

test('a task whose answer is lost on the way is asked for again, and made once', async () => {
  const keys: (string | undefined)[] = [];
  const lossy = createServer((request, response) => {
    keys.push(request.headers['idempotency-key'] as string | undefined);
    const headers = { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' };
    const onward = { method: 'POST', headers: { ...headers, 'idempotency-key': keys.at(-1) ?? '' } };
    text(request)
      .then((body) => fetch(`${server.url}${request.url}`, { ...onward, body }))
      .then(async (answer) => {
        if (keys.length === 1) response.destroy();
        else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
      });
  });
  await new Promise<void>((resolve) => lossy.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(lossy.address() as AddressInfo).port}`;
  const made = await cli(['create', '--title', 'Lost once', '--require', 'never', '--', 'true'], {
    env: { ...env, TASKEJO_URL: url },
  });
  lossy.close();
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(keys).toEqual([expect.stringMatching(/^.{36}$/), keys[0]]);
  const { items } = JSON.parse(await ok('list', '--query', 'Lost once', '--json')) as { items: Task[] };
  expect(items.map(({ id }) => id)).toEqual([made.stdout.trim()]);
});

test('waiting ends with 0 when the task completes and with 3 when it does not', async () => {
  const id = await create('--require', 'played');
  const waiting = cli(['wait', id]);
  await fail();
  expect(await waiting).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('it broke') });
  expect(await ok('retry', id)).toContain('pending');
  const again = cli(['wait', id]);
  await agent.end(await agent.take(), { outcome: 'completed', exit_code: 0 });
  expect(await again).toMatchObject({ code: 0, stdout: `task ${id} is completed\n` });
  const refused = await cli(['retry', id]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('status_not_allowed') });
});

test('an agent that was named is taken back', async () => {
  const { items } = await server.api<{ items: { id: string }[] }>('GET', '/api/v1/agents');
  const id = await create('--require', 'never', '--agent', items[0]?.id ?? '');
  expect(await ok('unassign', id)).toBe(`task ${id} names nobody any more (undecided)`);
  expect(await json('show', id)).toMatchObject({ named_agent_id: null });
});

test('a cancel by force is refused where no host is out of reach', async () => {
  const id = await create('--require', 'never');
  expect(await cli(['cancel', id, '--force'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('status_not_allowed'),
  });
});
