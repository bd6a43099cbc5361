import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it } from 'vitest';
import { makeKey } from '../../src/demo/ssh-keys.ts';
import { environmentWith, exitOf, firstLine, startProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { cloneDatabase } from '../support/test-server.ts';
import { waitFor } from '../support/wait-for.ts';

const bin = fileURLToPath(new URL('../../bin/taskejo.js', import.meta.url));

/** The server as a program, in a folder of its own, with no more environment than it is given. */
function serve(args: string[], env: Record<string, string> = {}, cwd = temporaryFolder()) {
  const child = startProgram(process.execPath, [bin, 'serve', ...args], {
    cwd,
    env: environmentWith({ HOME: cwd, ...env }),
  });
  const errors = child.stderr === null ? Promise.resolve('') : text(child.stderr);
  return { child, cwd, errors, exited: exitOf(child) };
}
type Server = ReturnType<typeof serve>;

const urlOf = async ({ child }: Server) => (await firstLine(child)).replace(/^listening on /, '');
const onDatabase = async () => ({ DATABASE_URL: await cloneDatabase(inject('testServer'), false) });

async function stop({ child, exited }: Server): Promise<number | null> {
  child.kill('SIGTERM');
  return (await exited).code;
}

describe('the server', () => {
  it('on nothing but a folder makes its database and its first admin token, once', async () => {
    const first = serve(['--listen', '127.0.0.1:0']);
    const url = await urlOf(first);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const file = `${first.cwd}/data/admin-token`;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const token = readFileSync(file, 'utf8').trim();
    const answer = await fetch(`${url}/api/v1/tokens`, { headers: { Authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(200);
    expect(await stop(first)).toBe(0);
    expect(await first.errors).toContain(token);

    const second = serve(['--listen', '127.0.0.1:0'], {}, first.cwd);
    await urlOf(second);
    expect(await stop(second)).toBe(0);
    expect(await second.errors).not.toContain('tkj_admin_');
    expect(readFileSync(file, 'utf8').trim()).toBe(token);
  });

  it('makes no admin token where the operator has set one', async () => {
    const token = 'a-token-that-the-operator-has-made-up';
    const server = serve(['--listen', '127.0.0.1:0'], { ...(await onDatabase()), TASKEJO_ADMIN_TOKEN: token });
    const url = await urlOf(server);
    const answer = await fetch(`${url}/api/v1/tokens`, { headers: { Authorization: `Bearer ${token}` } });
    expect(await answer.json()).toMatchObject({ items: [] });
    expect(await stop(server)).toBe(0);
    expect(readdirSync(server.cwd)).toEqual([]);
  });

  it('started twice at once on one database makes one admin token', async () => {
    const database = await onDatabase();
    const servers = [serve(['--listen', '127.0.0.1:0'], database), serve(['--listen', '127.0.0.1:0'], database)];
    await Promise.all(servers.map(urlOf));
    const made = servers.filter(({ cwd }) => existsSync(join(cwd, 'data', 'admin-token')));
    expect(made).toHaveLength(1);
    await Promise.all(servers.map(stop));
  });

  it('writes lines of JSON to standard error, and nothing but its address to standard output', async () => {
    const server = serve(['--listen', '127.0.0.1:0'], await onDatabase());
    await urlOf(server);
    await stop(server);
    for (const line of (await server.errors).trim().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), time: expect.any(String) });
    }
  });

  it('told to stop answers who waits, and ends with 0 within ten seconds', async () => {
    const token = 'a-token-that-the-operator-has-made-up';
    const server = serve(['--listen', '127.0.0.1:0'], { ...(await onDatabase()), TASKEJO_ADMIN_TOKEN: token });
    const url = await urlOf(server);
    const ask = (path: string, credential: string, body: object) =>
      fetch(`${url}/api/v1${path}`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${credential}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
    const agent = (await (await ask('/agents/register', token, { name: 'waiter' })).json()) as { token: string };
    let waits = 0;
    const waiting = Array.from({ length: 5 }, async () => {
      waits += 1;
      return (await ask('/tasks/dequeue', agent.token, { wait_seconds: 60 })).status;
    });
    await waitFor(() => waits === 5);
    // A later request that is answered shows that the earlier ones have arrived.
    await ask('/tasks', token, { title: 'no', command: [] });
    const beganMs = performance.now();
    expect(await stop(server)).toBe(0);
    expect(performance.now() - beganMs).toBeLessThan(10_000);
    expect(await Promise.all(waiting)).toEqual([204, 204, 204, 204, 204]);
  });

  it('told to stop while somebody keeps a connection without asking anything stops all the same', async () => {
    const server = serve(['--listen', '127.0.0.1:0'], await onDatabase());
    const { port } = new URL(await urlOf(server));
    const idle = connect(Number(port), '127.0.0.1');
    idle.on('error', () => {});
    idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
    expect(await stop(server)).toBe(0);
    idle.destroy();
  });
});

describe('a server that can not start says why in one sentence', () => {
  const sentence = async (server: Server) => {
    const { code } = await server.exited;
    const lines = (await server.errors).trim().split('\n');
    return { code, last: lines.at(-1), about: lines.filter((line) => line.startsWith('taskejo: ')) };
  };

  it('its port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const said = await sentence(serve(['--listen', `127.0.0.1:${port}`], await onDatabase()));
    expect(said).toMatchObject({ code: 1, last: `taskejo: Port ${port} of 127.0.0.1 is taken by another program.` });
    other.close();
  });

  it('its database is away, and the password is not shown', async () => {
    const url = 'postgres://taskejo:hidden-password@127.0.0.1:1/taskejo';
    const server = serve(['--listen', '127.0.0.1:0'], { DATABASE_URL: url });
    const said = await sentence(server);
    expect(said.code).toBe(1);
    expect(said.last).toBe("taskejo: The database can't be used (connect ECONNREFUSED 127.0.0.1:1).");
    expect(await server.errors).not.toContain('hidden-password');
  });

  it('its data directory can not be written', async () => {
    const said = await sentence(serve(['--listen', '127.0.0.1:0', '--data-dir', '/proc/nowhere']));
    expect(said).toMatchObject({ code: 1, about: [expect.stringContaining('/proc/nowhere')] });
  });

  it('its token can not be kept', async () => {
    const folder = temporaryFolder();
    writeFileSync(`${folder}/data`, 'a file where a folder should be');
    const said = await sentence(serve(['--listen', '127.0.0.1:0'], await onDatabase(), folder));
    expect(said).toMatchObject({ code: 1, last: expect.stringContaining('The admin token can') });
  });

  it('its configuration is wrong: every mistake with its line, and exit code 2', async () => {
    const folder = temporaryFolder();
    writeFileSync(`${folder}/taskejo.yaml`, 'listen: nowhere\nleases: {seconds: x}\nhots: []\n');
    const server = serve([], {}, folder);
    expect((await server.exited).code).toBe(2);
    const lines = (await server.errors).trim().split('\n');
    expect(lines.map((line) => /taskejo\.yaml:(\d+)/.exec(line)?.[1])).toEqual(['1', '2', '3']);
    expect(readdirSync(folder)).toEqual(['taskejo.yaml']);
  });

  it('a host has the name of an agent that pulls', async () => {
    const database = await onDatabase();
    const first = serve(['--listen', '127.0.0.1:0'], { ...database, TASKEJO_ADMIN_TOKEN: 'x'.repeat(32) });
    const url = await urlOf(first);
    await fetch(`${url}/api/v1/agents/register`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${'x'.repeat(32)}`, 'Content-Type': 'application/json' },
      body: '{"name":"gpu-1"}',
    });
    await stop(first);
    const folder = temporaryFolder();
    const { privateKey, hostKey } = keys();
    writeFileSync(`${folder}/key`, privateKey, { mode: 0o600 });
    writeFileSync(
      `${folder}/taskejo.yaml`,
      `listen: 127.0.0.1:0\nhosts: [{id: gpu-1, address: 127.0.0.1, user: u, private_key: {file: key}, host_key: "${hostKey}"}]\n`,
    );
    const said = await sentence(serve([], database, folder));
    expect(said).toMatchObject({ code: 1, last: expect.stringMatching(/^taskejo: The host gpu-1 cannot be used: /) });
  });
});

function keys() {
  const { private: privateKey, public: hostKey } = makeKey();
  return { privateKey, hostKey };
}
