import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import { environmentWith, exitOf, firstLine, startProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { cloneDatabase } from '../support/test-server.ts';
import { waitFor } from '../support/wait-for.ts';

const bin = fileURLToPath(new URL('../../bin/taskejo.js', import.meta.url));

test('a Ctrl-C that npm passes on once more stops the server in order', async () => {
  const cwd = temporaryFolder();
  const env = environmentWith({ DATABASE_URL: await cloneDatabase(inject('testServer'), false) });
  const server = startProgram(process.execPath, [bin, 'serve', '--listen', '127.0.0.1:0'], { cwd, env });
  const exited = exitOf(server);
  await firstLine(server);
  const oneKeystroke = Date.now() + 500;
  await waitFor(() => {
    if (Date.now() < oneKeystroke) server.kill('SIGINT');
    return server.exitCode !== null || server.signalCode !== null;
  });
  expect(await exited).toEqual({ code: 0, signal: null });
});
