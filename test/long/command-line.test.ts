import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { DequeuedTask } from '../../src/contract/attempt.ts';
import type { Task } from '../../src/contract/task.ts';
import { commandsFor, type RunOptions, run, taskejoFile } from '../support/command-line.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const ESC = '\u001b';
const { server } = await serverOfFile();
const { env, cli } = commandsFor(server);
const { token: agentToken } = await server.api<{ token: string }>('POST', '/api/v1/tokens', {
  name: 'puller',
  scope: 'agent',
  agent_name: 'puller',
});

const asAgent = <T>(method: string, path: string, body?: unknown) => server.api<T>(method, path, body, agentToken);

/** Creates a task that only our agent may take. */
async function create(...args: string[]): Promise<string> {
  const { agent_id } = await puller();
  const { stdout, stderr, code } = await cli(['task', 'create', '--agent', agent_id, ...args]);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return stdout.trim();
}

async function puller(): Promise<{ agent_id: string }> {
  const { items } = await server.api<{ items: { id: string }[] }>('GET', '/api/v1/agents');
  return { agent_id: items[0]?.id ?? '' };
}

/** Takes the next task as the agent, starts it and writes to its log. */
async function take(written: { stdout?: string | Uint8Array; stderr?: string } = {}): Promise<DequeuedTask['attempt']> {
  const answer = await waitFor(() => asAgent<{ tasks: DequeuedTask[] } | null>('POST', '/api/v1/tasks/dequeue', {}));
  const attempt = answer.tasks[0]?.attempt;
  if (attempt === undefined) throw new Error('nothing was handed out');
  await asAgent('POST', `/api/v1/attempts/${attempt.id}/start`, {});
  for (const [stream, content] of Object.entries(written)) await write(attempt.id, stream, 0, content);
  return attempt;
}

const write = (attemptId: string, stream: string, offset: number, content: string | Uint8Array) =>
  asAgent('PUT', `/api/v1/attempts/${attemptId}/log/${stream}?offset=${offset}`, Buffer.from(content));
const complete = (attemptId: string, body: object = { outcome: 'completed', exit_code: 0 }) =>
  asAgent('POST', `/api/v1/attempts/${attemptId}/complete`, body);

describe('tasks from the command line', () => {
  test('are created from a command with its input and environment, listed and shown', async () => {
    const id = await create(
      '--title',
      `Clean ${ESC}]0;up`,
      '--env',
      'A=b=c',
      '--priority',
      'high',
      '--input-file',
      '-',
      '--',
      'sh',
      '-c',
      'cat',
    );
    const [listed, shown, json] = [
      await cli(['task', 'list']),
      await cli(['task', 'show', id]),
      await cli(['task', 'show', id, '--json']),
    ];
    expect(listed.stdout).toContain('Clean ␛]0;up');
    expect(listed.stdout.split('\n')[0]).toMatch(/^ID +STATUS +MODE +AGENT +PRIORITY +AGE +TITLE$/);
    expect(shown.stdout).toContain('["sh","-c","cat"]');
    expect(shown.stdout).toMatch(/1 +\S+ +created/);
    expect([listed.stdout, shown.stdout].join('')).not.toContain(ESC);
    expect(JSON.parse(json.stdout)).toMatchObject({ id, priority: 5, environment: { A: 'b=c' }, status: 'pending' });
    expect((await cli(['task', 'cancel', id, '--reason', 'tidy'])).stdout).toBe(`task ${id} is cancelled\n`);
  });

  test('read their input from standard input', async () => {
    const { agent_id } = await puller();
    const made = await cli(
      ['task', 'create', '--title', 'in', '--agent', agent_id, '--input-file', '-', '--json', '--', 'cat'],
      {
        input: 'žluť\n',
      },
    );
    const task = JSON.parse(made.stdout) as Task;
    expect(task.input).toBe('žluť\n');
    await cli(['task', 'cancel', task.id]);
    for (const bytes of [Buffer.from([0x50, 0xff, 0xfe]), Buffer.from('a\0b')]) {
      const file = join(temporaryFolder(), 'input');
      writeFileSync(file, bytes);
      const how = ['--input-file', file, '--from', '-', '--json', '--', 'cat'];
      const raw = await cli(['task', 'create', '--agent', agent_id, ...how], {
        input: '{"title": "in", "input": "other"}',
      });
      const given = JSON.parse(raw.stdout) as Task;
      expect(given).toMatchObject({ input: null, input_base64: bytes.toString('base64') });
      await cli(['task', 'cancel', given.id]);
    }
  });

  test('are waited for, and how they ended is the exit code', async () => {
    const { agent_id } = await puller();
    const waiting = (title: string) =>
      cli(['task', 'create', '--title', title, '--agent', agent_id, '--wait', '--', 'true']);
    const good = waiting('good');
    await complete((await take()).id);
    expect(await good).toMatchObject({ code: 0, stderr: '' });
    const bad = waiting('bad');
    await complete((await take()).id, { outcome: 'failed', exit_code: 7, error: `it ${ESC}[2Jbroke` });
    expect(await bad).toMatchObject({ code: 3, stderr: 'taskejo: the task is failed (exit code 7): it ␛[2Jbroke\n' });
  });

  test('say why they wait, agent by agent, and what helps', async () => {
    const { stdout } = await cli(['task', 'create', '--title', 'x', '--require', 'nobody-has-this', '--', 'true']);
    const id = stdout.trim();
    const said = await cli(['task', 'explain', id]);
    expect(said.stderr).toBe('');
    const told = said.stdout;
    expect(told).toContain('cannot be taken now, nothing is before it\n  No host or agent has nobody-has-this.\n');
    expect(told).toMatch(/\nAGENT +MODE +TAKEABLE +WHY NOT +SMALLEST CHANGE\npuller +http_pull +no +labels_missing/);
    const json = JSON.parse((await cli(['task', 'explain', id, '--json'])).stdout);
    expect(json).toMatchObject({ task_id: id, takeable: false, reasons: [{ code: 'labels_nobody_has' }] });
    await cli(['task', 'cancel', id]);
    expect((await cli(['task', 'explain', id])).stdout).toMatch(/^not pending, it is cancelled\n/);
  });

  test('are assigned to an agent, by its id or its name, which must be there', async () => {
    const { agent_id } = await puller();
    const { stdout } = await cli(['task', 'create', '--title', 'x', '--require', 'nobody-has-this', '--', 'true']);
    const id = stdout.trim();
    expect((await cli(['task', 'assign', id, agent_id])).stdout).toBe(`task ${id} waits for ${agent_id} (http_pull)\n`);
    expect((await cli(['task', 'assign', id, 'puller'])).stdout).toBe(`task ${id} waits for puller (http_pull)\n`);
    expect((await cli(['task', 'list', '--agent', 'puller', '--status', 'pending'])).stdout).toContain(id);
    const wrong = await cli(['task', 'assign', id, 'nobody']);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(/^taskejo: .*\(not_found\)\n$/);
    await cli(['task', 'cancel', id]);
  });
});

describe('the log of a task', () => {
  test('goes to the stream it was written to, and what a terminal obeys is shown', async () => {
    const id = await create('--title', 'log', '--', 'true');
    const { id: attemptId } = await take({ stdout: `one\r\n\t${ESC}[31mtwo\n`, stderr: 'warn\n' });
    await complete(attemptId);
    expect(await cli(['task', 'log', id])).toEqual({ code: 0, stdout: 'one\n\t␛[31mtwo\n', stderr: 'warn\n' });
    expect(await cli(['task', 'log', id, '--stream', 'stderr'])).toMatchObject({ stdout: '', stderr: 'warn\n' });
    expect(await cli(['task', 'log', id, '--raw', '--attempt', '1'])).toMatchObject({
      stdout: `one\r\n\t${ESC}[31mtwo\n`,
    });
    expect(await cli(['task', 'log', id, '--attempt', '2'])).toMatchObject({
      code: 1,
      stderr: 'taskejo: the task has no attempt 2\n',
    });
  });

  test('is followed from the first byte to the last, across a server that is killed', async () => {
    const id = await create('--title', 'follow', '--', 'true');
    const child = spawn(process.execPath, [taskejoFile, 'task', 'log', '--follow', id], {
      env: { ...process.env, ...env },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let seen = '';
    child.stdout.on('data', (bytes: Buffer) => {
      seen += bytes.toString();
    });
    const exit = new Promise((resolve) => child.once('close', resolve));
    const { id: attemptId } = await take({ stdout: 'before\n' });
    await waitFor(() => seen === 'before\n');
    await server.killAndRestart();
    await write(attemptId, 'stdout', 7, 'after\n');
    await waitFor(() => seen === 'before\nafter\n');
    await complete(attemptId);
    expect(await exit).toBe(0);
    expect(seen).toBe('before\nafter\n');
  });

  test('may be cut short by whoever reads it', async () => {
    const id = await create('--title', 'long', '--', 'true');
    const { id: attemptId } = await take({ stdout: Buffer.alloc(400_000, 'a line\n') });
    await complete(attemptId);
    const piped = await run('sh', ['-c', `"${process.execPath}" "${taskejoFile}" task log ${id} | head -n 1`], { env });
    expect(piped).toEqual({ code: 0, stdout: 'a line\n', stderr: '' });
  });
});

describe('tokens from the command line', () => {
  test('are printed alone when they are made, listed without the secret, and end when revoked', async () => {
    const made = await cli(['token', 'create', 'for a screen', '--scope', 'viewer', '--expires-in', '3600']);
    const secret = made.stdout.trim();
    expect(secret).toMatch(/^tkj_viewer_\S+$/);
    const asViewer = { env: { ...env, TASKEJO_TOKEN: secret } };
    expect((await cli(['task', 'list'], asViewer)).code).toBe(0);
    const listed = await cli(['token', 'list']);
    expect(listed.stdout).toContain('for a screen');
    expect(listed.stdout).not.toContain(secret);
    const id =
      listed.stdout
        .split('\n')
        .find((line) => line.includes('for a screen'))
        ?.split(' ')[0] ?? '';
    expect(await cli(['token', 'revoke', id])).toMatchObject({ code: 0, stdout: `token ${id} is revoked\n` });
    expect(await cli(['task', 'list'], asViewer)).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('what goes wrong', () => {
  test('with the command line is an error of usage', async () => {
    const wrong: [string[], RunOptions, RegExp][] = [
      [['task', 'lst'], {}, /Did you mean list/],
      [['task', 'list', '--limit', '0'], {}, /whole number from 1/],
      [['task', 'create', '--title', 'x'], {}, /a command after --, or --template/],
      [['task', 'create', '--', 'true'], {}, /--title/],
      [['task', 'list'], { env: {} }, /no token: set TASKEJO_TOKEN/],
      [['task', 'list', '--url', 'ftp://x'], {}, /begins with http/],
      [['task', 'list', '--token-file', '/nowhere'], {}, /cannot read the token/],
      [['task', 'show', '..'], {}, /is not an id/],
    ];
    const judge = async ([args, options, says]: (typeof wrong)[number]) => {
      const { code, stdout, stderr } = await cli(args, options);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(says);
    };
    for (let at = 0; at < wrong.length; at += 4) await Promise.all(wrong.slice(at, at + 4).map(judge));
  });

  test('on the way to the server, or with what answers there, is one clear line', async () => {
    const other = createServer((request, response) => {
      if (request.url?.startsWith('/moved')) response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
      else response.end('<html>');
    });
    onTestFinished(() => void other.close(() => {}));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const line = async (address: string) => (await cli(['task', 'list', '--url', address])).stderr;
    expect(await line(url)).toMatch(/^taskejo: .* does not understand \(HTTP 200\)\n$/);
    expect(await line(`${url}/moved`)).toMatch(/^taskejo: .* does not understand \(HTTP 302\)\n$/);
    expect(await line('http://name.invalid')).toMatch(/^taskejo: cannot reach .*\n$/);
    await new Promise((resolve) => other.close(resolve));
    expect(await line(url)).toMatch(/^taskejo: cannot reach http:\S+: nothing listens there; .*\n$/);
    const denied = await cli(['task', 'list', '--status', 'odd']);
    expect(denied.stderr).toMatch(/^taskejo: status.*\(invalid\)\n$/);
  });
});

test('help names examples, and the version is the one of the package', async () => {
  expect((await cli(['--help'])).stdout).toContain('taskejo task create --title Hello');
  expect(await cli(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test('a command that asks the server loads nothing of the server itself', async () => {
  const tell = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });`;
  const { stderr } = await cli(['task', 'list'], {
    nodeOptions: ['--import', `data:text/javascript,${encodeURIComponent(tell)}`],
  });
  const loaded = stderr.split('\n');
  expect(loaded.some((url) => url.endsWith('/src/cli/task/list.ts'))).toBe(true);
  expect(
    loaded.filter((url) =>
      /\/src\/(?:server|config|agent|store|http|usecases|executor)\b|node_modules\/(?:pg|hono|ssh2|yaml)\//.test(url),
    ),
  ).toEqual([]);
});
