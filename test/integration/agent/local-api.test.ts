import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { startLocalApi } from '../../../src/agent/local-api/index.ts';
import type { LocalAgent } from '../../../src/agent/local-api/local-agent.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const agent = { ping: () => ({ status: 'ok', version: '1', pid: 1 }) } as LocalAgent;

test('the local API ends though somebody has begun a request and does not go on', async () => {
  const socket = join(temporaryFolder(), 'agent.sock');
  const api = await startLocalApi({ agent, socket, listen: null, log });
  const half = connect(socket);
  onTestFinished(() => void half.destroy());
  await new Promise((resolve) => half.write('GET /api/v1/ping HTTP/1.1\r\n', resolve));
  await ask({ socketPath: socket }); // what came before is read
  await api.stop();
});

test.each(['127.0.0.1', '127.0.0.2'])('the local API answers at the address of loopback %s', async (host) => {
  const port = await freePort(host);
  const socket = join(temporaryFolder(), 'agent.sock');
  const api = await startLocalApi({ agent, socket, listen: `${host}:${port}`, log });
  onTestFinished(() => api.stop());
  expect(JSON.parse(await ask({ host, port }))).toMatchObject({ status: 'ok' });
});

const ask = (where: { socketPath: string } | { host: string; port: number }) =>
  new Promise<string>((resolve, reject) => {
    request({ ...where, path: '/api/v1/ping' }, (response) => resolve(text(response)))
      .on('error', reject)
      .end();
  });

function freePort(host: string): Promise<number> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.listen(0, host, () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
