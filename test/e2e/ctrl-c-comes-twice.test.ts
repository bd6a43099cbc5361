import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, inject, onTestFinished, test } from 'vitest';
import { environmentWith, exitOf, firstLine, startProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { cloneDatabase } from '../support/test-server.ts';
import { waitFor } from '../support/wait-for.ts';

const bin = fileURLToPath(new URL('../../bin/taskejo.js', import.meta.url));

test('a Ctrl-C that npm passes on once more stops the server in order', async () => {
  const cwd = temporaryFolder();
  const token = 'an-admin-token-of-thirty-two-characters';
  const database = await cloneDatabase(inject('testServer'), false);
  const env = environmentWith({ DATABASE_URL: database, TASKEJO_ADMIN_TOKEN: token });
  const server = startProgram(process.execPath, [bin, 'serve', '--listen', '127.0.0.1:0'], { cwd, env });
  const exited = exitOf(server);
  const { port } = new URL((await firstLine(server)).replace('listening on ', ''));
  const halfARequest = connect(Number(port), '127.0.0.1');
  onTestFinished(() => void halfARequest.destroy());
  halfARequest.on('error', () => {}); // the server may end it first
  const head = ['POST /api/v1/tasks HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${token}`];
  const body = ['Content-Type: application/json', 'Content-Length: 9', 'Expect: 100-continue'];
  halfARequest.write(`${[...head, ...body].join('\r\n')}\r\n\r\n`);
  // The server has it and waits for the rest: only then it holds the stop open.
  expect(String(await once(halfARequest, 'data'))).toContain('100 Continue');
  halfARequest.write('{');

  server.kill('SIGINT');
  await waitFor(() => refuses(Number(port)), { what: 'the server is stopping' });
  server.kill('SIGINT');
  halfARequest.end();
  expect(await exited).toEqual({ code: 0, signal: null });
});

const refuses = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(true));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
