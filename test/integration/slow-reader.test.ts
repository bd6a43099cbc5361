import { connect } from 'node:net';
import { Hono } from 'hono';
import { expect, onTestFinished, test } from 'vitest';
import type { createApp } from '../../src/http/app.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { eventStream } from '../../src/http/event-stream.ts';
import { listen } from '../../src/http/listen.ts';
import { waitFor } from '../support/wait-for.ts';

const STUCK_MS = 100;
const PIECE = 'x'.repeat(256 * 1024);

/** Serves an endless stream; says how much was taken of it and whether its source has ended. */
async function serveEndless() {
  const said = { taken: 0, ended: false };
  async function* endless() {
    try {
      for (;;) {
        said.taken += 1;
        yield { event: 'log', data: PIECE };
      }
    } finally {
      said.ended = true;
    }
  }
  const app = new Hono<HttpEnv>().get('/', (c) => eventStream(c, endless(), STUCK_MS));
  const listening = await listen(app as unknown as ReturnType<typeof createApp>, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => listening.stop(100));
  return { said, url: new URL(listening.url) };
}

test('who follows and takes nothing is dropped, and its source ends; the server goes on', async () => {
  const { said, url } = await serveEndless();
  const socket = connect(Number(url.port), url.hostname, () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
  onTestFinished(() => void socket.destroy());
  socket.pause();
  await waitFor(() => said.ended);
  // What the system buffers for a connection, and not more.
  expect(said.taken).toBeLessThan(200);

  const next = await fetch(url);
  expect(next.status).toBe(200);
  await next.body?.cancel();
});
