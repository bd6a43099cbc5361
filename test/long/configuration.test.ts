import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { taskejo, taskejoFile } from '../support/command-line.ts';
import { environmentWith, exitOf, startProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const WRONG = `listen: 127.0.0.1
database: {pol: 3}
rules: [{on: comment, template: none}]
`;

test('a wrong configuration file starts nothing: every mistake with its line, exit code 2', async () => {
  const cwd = temporaryFolder();
  const file = join(cwd, 'wrong.yaml');
  await writeFile(file, WRONG);
  const said = [
    `${file}:1:9 listen: must be HOST:PORT, as 127.0.0.1:7070 or [::1]:7070`,
    `${file}:2:12 database.pol: unknown key "pol", did you mean pool?`,
    `${file}:3:33 rules[0].template: there is no template none`,
    '',
  ].join('\n');
  for (const args of [
    ['config', 'check', file],
    ['serve', '--config', file],
    ['migrate', '--config', file],
  ]) {
    expect(await taskejo(args, { cwd }), args.join(' ')).toEqual({ code: 2, stdout: '', stderr: said });
  }
  expect(existsSync(join(cwd, 'data'))).toBe(false);
});

test('a right configuration file is said to be right, whether it is named, set or found', async () => {
  const cwd = temporaryFolder();
  const file = join(cwd, 'taskejo.yaml');
  await writeFile(file, 'templates: [{name: a, command: [echo]}]\n');
  const right = { code: 0, stdout: `${file}: no mistakes; 0 forges, 0 hosts, 1 template, 2 rules\n`, stderr: '' };
  expect(await taskejo(['config', 'check', file])).toEqual(right);
  expect(await taskejo(['config', 'check'], { env: { TASKEJO_CONFIG: file } })).toEqual(right);
  expect(await taskejo(['config', 'check'], { cwd })).toEqual(right);
  const none = await taskejo(['config', 'check'], { cwd: temporaryFolder() });
  expect(none.stdout).toMatch(/^no file, the defaults: no mistakes/);
});

test('migrate brings a new database forward, and does nothing a second time', async () => {
  const cwd = temporaryFolder();
  const first = await taskejo(['migrate', '--data-dir', 'data'], { cwd });
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toMatch(/^applied 0001-tasks\n(?:applied .*\n)*the database is at version \d+\n$/);
  expect((await taskejo(['migrate', '--data-dir', 'data'], { cwd })).stdout).toMatch(
    /^the database is at version \d+\n$/,
  );
});

test('a database that is not there is one clear line', async () => {
  const env = { DATABASE_URL: 'postgres://taskejo:hunter2@127.0.0.1:1/taskejo' };
  const { code, stderr } = await taskejo(['migrate'], { env, cwd: temporaryFolder() });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^taskejo: the database cannot be reached: .*ECONNREFUSED.*\n$/);
  expect(stderr).not.toContain('hunter2');
});

test('a server whose output nobody reads any more goes on', async () => {
  const cwd = temporaryFolder();
  const env = { TASKEJO_ADMIN_TOKEN: 'an-admin-token-of-thirty-two-characters' };
  const child = startProgram(process.execPath, [taskejoFile, 'serve', '--listen', '127.0.0.1:0'], {
    cwd,
    env: environmentWith(env),
  });
  child.stdout?.destroy();
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const url = await waitFor(() => /"url":"([^"]+)".*"ready"/.exec(log)?.[1]);
  const answer = await waitFor(() => fetch(`${url}/readyz`));
  expect(answer.status).toBe(200);
  child.kill('SIGTERM');
  expect(await exitOf(child)).toEqual({ code: 0, signal: null });
});
