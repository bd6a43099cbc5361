import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { taskejo } from '../support/command-line.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { temporaryFolder } from '../support/temporary.ts';

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess();
});
afterAll(() => server.stop());

test('a login is kept for the server that it was made for, and no other gets its token', async () => {
  const env = { XDG_CONFIG_HOME: temporaryFolder() };
  const file = join(env.XDG_CONFIG_HOME, 'taskejo', 'login.json');
  const cli = (args: string[], more: { input?: string; env?: Record<string, string> } = {}) =>
    taskejo(args, { ...more, env: { ...env, ...more.env } });
  const list = ['agents', 'list', '--json'];

  expect(await cli(list)).toMatchObject({ code: 2, stderr: expect.stringContaining('taskejo login') });
  const wrong = await cli(['login', server.url], { input: 'not-a-token\n' });
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('unauthenticated') });
  expect(() => statSync(file)).toThrow('ENOENT');

  const done = await cli(['login', `${server.url}/`], { input: `${server.adminToken}\n` });
  expect(done).toMatchObject({ code: 0, stdout: `signed in to ${server.url}; kept in ${file}\n` });
  expect(`${done.stdout}${done.stderr}`).not.toContain(server.adminToken);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await cli(list)).toMatchObject({ code: 0, stderr: '' });
  const elsewhere = await cli([...list, '--url', 'http://127.0.0.1:1']);
  expect(elsewhere).toMatchObject({ code: 2, stderr: expect.stringContaining('no token') });
  const overridden = await cli(list, { env: { TASKEJO_TOKEN: 'another' } });
  expect(overridden).toMatchObject({ code: 1, stderr: expect.stringContaining('unauthenticated') });

  chmodSync(file, 0o644);
  expect(await cli(list)).toMatchObject({ code: 2, stderr: expect.stringContaining('chmod 600') });
  chmodSync(file, 0o600);
  expect(await cli(['login', '--forget'])).toMatchObject({ code: 0 });
  expect(() => readFileSync(file)).toThrow('ENOENT');
});
