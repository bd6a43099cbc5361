import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { makeKey } from '../../src/demo/ssh-keys.ts';
import { onDatabase, type Server, serve, stop, urlOf } from '../support/server-program.ts';
import { temporaryFolder } from '../support/temporary.ts';

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
