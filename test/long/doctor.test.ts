import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { taskejo } from '../support/command-line.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { temporaryFolder } from '../support/temporary.ts';

describe('taskejo doctor, while the server runs', () => {
  let server: ServerProcess;
  let task: Task;
  beforeAll(async () => {
    server = await startServerProcess();
    const command = ['true'];
    task = await server.api<Task>('POST', '/api/v1/tasks', { title: 'one', command });
    await server.api('POST', '/api/v1/tasks', { title: 'another', command });
  });
  afterAll(() => server?.stop());
  const doctor = (...args: string[]) =>
    taskejo(['doctor', ...args], { env: { DATABASE_URL: server.databaseUrl }, cwd: temporaryFolder() });

  it('says that nothing is wrong', async () => {
    expect(await doctor()).toEqual({ code: 0, stdout: 'looked at 2 tasks: nothing is wrong\n', stderr: '' });
    const { code, stdout } = await doctor('--json');
    expect({ code, answer: JSON.parse(stdout) }).toEqual({ code: 0, answer: { breaches: [], tasks: 2 } });
  });

  it('says by task what is wrong and what to do about it', async () => {
    const { pool, close } = openDatabase({ connectionString: server.databaseUrl, max: 1 });
    await pool.query('update tasks set event_hash = $1 where id = $2', ['x', task.id]);
    await close();
    const told = await doctor();
    expect(told).toMatchObject({ code: 1, stderr: 'taskejo: there is 1 breach\n' });
    expect(told.stdout).toMatch(
      new RegExp(`^task ${task.id}\n {2}chain_broken: .*\n {4}The history .*\nlooked at 2 tasks\n$`),
    );
    const { code, stdout } = await doctor('--json', '--task', task.id);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      breaches: [
        { code: 'chain_broken', task_id: task.id, detail: expect.any(String), what_to_do: expect.any(String) },
      ],
      tasks: 1,
    });
  });

  it('says that it could not look at a task that is not there', async () => {
    const { code, stdout, stderr } = await doctor('--task', '01990000-0000-7000-8000-000000000000');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/there is no task 01990000/);
  });
});

describe('taskejo doctor, on an embedded database', () => {
  it('looks at it beside its server, and by itself when there is none', async () => {
    const server = await startServerProcess({}, { embedded: true });
    const dataDir = new URLSearchParams(server.databaseUrl.split('?')[1]).get('host')?.replace(/\/socket$/, '') ?? '';
    const beside = await taskejo(['doctor', '--data-dir', dataDir]);
    await server.stop();
    const clean = { code: 0, stdout: 'looked at 0 tasks: nothing is wrong\n', stderr: '' };
    expect(beside).toEqual(clean);
    const cwd = temporaryFolder();
    await taskejo(['migrate', '--data-dir', 'data'], { cwd });
    expect(await taskejo(['doctor', '--data-dir', 'data'], { cwd })).toEqual(clean);
  });
});

it('a database that is not there, or has no tables, ends it with exit code 2', async () => {
  const cwd = temporaryFolder();
  const away = await taskejo(['doctor'], { env: { DATABASE_URL: 'postgres://x@127.0.0.1:1/x' }, cwd });
  expect(away).toMatchObject({ code: 2, stdout: '' });
  expect(away.stderr).toMatch(/^taskejo: the database could not be looked at: .*ECONNREFUSED.*\n$/);
  const empty = await taskejo(['doctor', '--data-dir', 'data'], { cwd });
  expect(empty).toMatchObject({ code: 2, stdout: '' });
});
