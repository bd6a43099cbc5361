import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { agentProtocolSuite } from '../suites/agent-protocol-suite.ts';
import { taskejoFile } from '../support/command-line.ts';
import { describeIf } from '../support/require.ts';
import { temporaryFolder } from '../support/temporary.ts';

const page = readFileSync(new URL('../../docs/agent-protocol.md', import.meta.url), 'utf8');
const agent = /^```sh\n(.*?)^```$/ms.exec(page)?.[1] ?? '';

test('the agent in the documentation has 40 lines at most', () => {
  expect(agent.split('\n').length).toBeGreaterThan(10);
  expect(agent.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
});

describeIf('curl', 'with curl', () =>
  describeIf('jq', 'and jq', () =>
    agentProtocolSuite('the agent of the documentation', {
      command: 'sh -c "$SCRIPT"',
      env: () => ({ SCRIPT: agent }),
    }),
  ),
);

agentProtocolSuite('taskejo agent', {
  command: `${process.execPath} ${taskejoFile} agent`,
  env: ({ url, token }) => ({
    TASKEJO_AGENT_SERVER__URL: url,
    TASKEJO_AGENT_SERVER__TOKEN: token,
    TASKEJO_AGENT_STATE_DIR: temporaryFolder(),
  }),
});

const { AGENT_COMMAND } = process.env;
if (AGENT_COMMAND) agentProtocolSuite(AGENT_COMMAND, { command: AGENT_COMMAND, env: () => ({}) });
