import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onDatabase, serve, stop, urlOf } from '../support/server-program.ts';
import { waitFor } from '../support/wait-for.ts';

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
    // A busy machine needs some seconds; who was not told would wait for a minute.
    expect(performance.now() - beganMs).toBeLessThan(30_000);
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
