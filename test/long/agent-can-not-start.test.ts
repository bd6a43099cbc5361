import { afterAll, beforeAll, expect, test } from 'vitest';
import { taskejo } from '../support/command-line.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { temporaryFolder } from '../support/temporary.ts';

let server: ServerProcess;
let registrationToken: string;
const onlyServer = (): Record<string, string> => ({
  TASKEJO_AGENT_SERVER__URL: server.url,
  TASKEJO_AGENT_STATE_DIR: temporaryFolder(),
});

beforeAll(async () => {
  server = await startServerProcess();
  const token = { name: 'more', scope: 'register' };
  registrationToken = (await server.api<{ token: string }>('POST', '/api/v1/tokens', token)).token;
  await server.api('POST', '/api/v1/agents/register', { name: 'taken' }, registrationToken);
});
afterAll(() => server?.stop());

test.each([
  ['no settings at all', () => ({}), /server: is missing/],
  ['no credential', onlyServer, /registration_token or server.token is needed/],
  [
    'a registration token that is none',
    () => ({ ...onlyServer(), TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN: 'x' }),
    /does not accept the registration token/,
  ],
  [
    'a name that is taken',
    () => ({
      ...onlyServer(),
      TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN: registrationToken,
      TASKEJO_AGENT_NAME: 'taken',
    }),
    /an agent or host named taken already/,
  ],
  [
    'a state folder that can not be',
    () => ({ ...onlyServer(), TASKEJO_AGENT_STATE_DIR: '/dev/null/state' }),
    /cannot use \/dev\/null\/state/,
  ],
  [
    'a work folder that can not be',
    () => ({ ...onlyServer(), TASKEJO_AGENT_SERVER__TOKEN: 'x', TASKEJO_AGENT_WORK_DIR: '/dev/null/commands' }),
    /cannot run commands in \/dev\/null\/commands/,
  ],
] as [string, () => Record<string, string>, RegExp][])(
  'the agent refuses %s with exit code 2',
  async (_, env, sentence) => {
    const folder = temporaryFolder();
    const ended = await taskejo(['agent'], { env: { XDG_STATE_HOME: folder, ...env() }, cwd: folder });
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(sentence);
  },
);
