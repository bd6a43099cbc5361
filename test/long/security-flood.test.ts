import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { waitFor } from '../support/wait-for.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const heapMiB = () => {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1024 / 1024;
};

describe('a flood', () => {
  it('of 2,000 connections that send a header and no more is cut off, and others are served meanwhile', async () => {
    const { hostname, port } = new URL(app.url);
    const open = new Set<Socket>();
    for (let n = 0; n < 2_000; n++) {
      const socket = connect(Number(port), hostname, () => socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX-${n}: `));
      socket.on('error', () => {});
      socket.on('close', () => open.delete(socket));
      socket.on('data', () => {});
      open.add(socket);
    }
    for (let n = 0; n < 20; n++) expect((await app.call('GET', '/api/v1/tasks')).status).toBe(200);
    expect(open.size).toBeGreaterThan(1_000);
    await waitFor(() => open.size === 0, { timeoutMs: 60_000 });
    expect((await app.call('GET', '/api/v1/tasks')).status).toBe(200);
  });

  it('of 10,000 bad tokens fills neither the memory nor the record, and limits no good one', async () => {
    const before = heapMiB();
    const one = async (n: number) => {
      const { status } = await app.call('GET', '/api/v1/tasks', { token: `tkj_viewer_${n}${'x'.repeat(44)}` });
      return status;
    };
    const statuses = new Set<number>();
    for (let n = 0; n < 10_000; n += 100) {
      for (const status of await Promise.all(Array.from({ length: 100 }, (_, at) => one(n + at)))) statuses.add(status);
      expect((await app.call('GET', '/api/v1/tasks')).status).toBe(200);
    }
    expect(statuses).toEqual(new Set([401, 429]));
    expect(heapMiB() - before).toBeLessThan(32);
    const { items } = (await app.call('GET', '/api/v1/audit?limit=200')).json;
    const refused = items.filter(({ type }: { type: string }) => type === 'login_refused');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(10);
  });
});
