import { expect, inject, onTestFinished, test } from 'vitest';
import { createWakeups, type Hint } from '../../src/store/wakeups.ts';
import { startDatabaseProxy } from '../support/database-proxy.ts';
import { expectHealthy } from '../support/examine.ts';
import { createInsistentClient } from '../support/insistent-client.ts';
import { startReplica } from '../support/replica.ts';
import { cloneDatabase } from '../support/test-server.ts';
import { waitFor } from '../support/wait-for.ts';

const LISTENS = 'taskejo wakeups';
const WAIT_SECONDS = 10;

test('an agent that waits where hints no longer arrive gets its task all the same, and its server can be stopped', async () => {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const way = await startDatabaseProxy(databaseUrl);
  const deaf = await startReplica({ databaseUrl: way.url });
  const other = await startReplica({ databaseUrl });
  const [here, there] = [createInsistentClient([deaf.url]), createInsistentClient([other.url])];
  const { json: agent } = await here.ask('POST', '/api/v1/agents/register', { body: { name: 'waits' } });
  const dequeue = (wait_seconds: number) =>
    here.ask('POST', '/api/v1/tasks/dequeue', { body: { wait_seconds }, token: agent.token });
  expect((await dequeue(0)).status).toBe(204);
  expect(way.silence(LISTENS)).toBe(1);
  const waiting = dequeue(WAIT_SECONDS);
  await dequeue(0); // the one before has looked by now
  const { json: task } = await there.ask('POST', '/api/v1/tasks', { body: { title: 'any', command: ['true'] } });
  expect((await waiting).json.tasks.map(({ id }: { id: string }) => id)).toEqual([task.id]);
  deaf.signal('SIGTERM');
  expect(await deaf.exited).toEqual({ code: 0, signal: null });
  await expectHealthy({ databaseUrl });
});

test('hints come again by themselves after the connection that they come by has gone silent', async () => {
  const databaseUrl = await cloneDatabase(inject('testServer'), false);
  const way = await startDatabaseProxy(databaseUrl);
  const warned: string[] = [];
  const heard: Hint[] = [];
  const connect = async (connectionString: string) => {
    const log = { warn: (_: object, message: string) => void warned.push(message) };
    const wakeups = await createWakeups({ connectionString }, log);
    onTestFinished(() => wakeups.stop());
    return wakeups;
  };
  const deaf = await connect(way.url);
  const other = await connect(databaseUrl);
  deaf.subscribe((hint) => heard.push(hint));
  const hears = (taskId: string) => {
    other.emit({ kind: 'task', taskId });
    return waitFor(() => heard.some((hint) => hint.kind === 'task' && hint.taskId === taskId));
  };
  await hears('before');
  expect(way.silence(LISTENS)).toBe(1);
  other.emit({ kind: 'task', taskId: 'lost' });
  await waitFor(() => heard.some(({ kind }) => kind === 'missed'));
  expect(way.begun(LISTENS)).toBe(2);
  await hears('after');
  expect(heard.map((hint) => ('taskId' in hint ? hint.taskId : hint.kind))).toEqual([
    'before',
    'ready',
    'agents',
    'missed',
    'after',
  ]);
  expect(warned).toEqual(['wake-ups lost their connection; looking once a second meanwhile']);
});
