import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { listProcesses } from '../support/proc.ts';
import { describeIf } from '../support/require.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { hostEntryOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { createTaskClient, type TaskClient } from '../support/task-client.ts';

const SECRET = 'open-sesame-4711';
const STARS = '*'.repeat(SECRET.length);
/** Prints the sum of its input and its secret, in two halves, and keeps going until it may end. */
const COMMAND =
  'cksum; printf "%s " "$API_KEY"; printf "%s" "$API_KEY" | cut -c1-8 | tr -d "\\n"; sleep 0.2; ' +
  'printf "%s\\n" "$API_KEY" | cut -c9-; echo "50% with $API_KEY" >"$TASKEJO_PROGRESS"; ' +
  'echo "{\\"key\\": \\"$API_KEY\\"}" >"$TASKEJO_OUTPUT"; while [ ! -f go ]; do sleep 0.05; done; printf open';
const input = Buffer.from(Array.from({ length: 1024 * 1024 }, (_, at) => (at * 31 + (at >> 9)) % 256));

describeIf('sshd', 'a secret', () => {
  let sshd: Sshd;
  let server: ServerProcess;
  let tasks: TaskClient;
  beforeAll(async () => {
    sshd = await startSshd();
    const host = hostEntryOf(sshd, { id: 'box', labels: ['box'] });
    const environment = { API_KEY: { secret: 'KEY' } };
    server = await startServerProcess({
      TASKEJO_HOSTS: JSON.stringify([host]),
      TASKEJO_SECRETS: JSON.stringify({ KEY: { value: { env: 'THE_KEY' }, templates: ['ask'] } }),
      TASKEJO_TEMPLATES: JSON.stringify([{ name: 'ask', command: ['sh', '-c', COMMAND], environment }]),
      TASKEJO_SSH__PROBE_SECONDS: '1',
      TASKEJO_LEASES__RENEW_SECONDS: '0.5',
      THE_KEY: SECRET,
    });
    tasks = createTaskClient(server);
  });
  afterAll(async () => {
    await server?.stop();
    await sshd?.stop();
  });

  /** The task at its end; on the way nothing but the command's own environment shows the secret. */
  async function run(label: string, hidden: () => string) {
    const body = { title: label, template: 'ask', requires: [label], input_base64: input.toString('base64') };
    const made = await server.api<{ id: string }>('POST', '/api/v1/tasks', body);
    const { attempt } = await tasks.until(made.id, ({ attempt }) => attempt?.progress?.percent === 50);
    expect(listProcesses().filter((one) => one.arguments.includes(SECRET))).toEqual([]);
    expect(hidden().includes(SECRET)).toBe(false);
    writeFileSync(`/proc/${attempt?.process?.pid}/cwd/go`, '');
    const ended = await tasks.ended(made.id);
    expect(ended).toMatchObject({ status: 'completed', result: { output: { key: STARS } } });
    expect(ended.attempt?.progress).toMatchObject({ percent: 50, message: `with ${STARS}` });
    const sum = execFileSync('cksum', { input, encoding: 'utf8' });
    expect(await tasks.printed(ended.attempt?.id ?? '')).toBe(`${sum}${STARS} ${STARS}\nopen`);
  }

  it('reaches a command over SSH, with input that is no text, and nobody else', async () => {
    await run('box', () => '');
  });

  it('reaches a command on a pull agent, and nothing that the agent writes down to run it', async () => {
    const agent = await startAgentProcess(server, { name: 'puller', env: { TASKEJO_AGENT_LABELS: 'puller' } });
    const stored = () =>
      readdirSync(agent.stateDir)
        .filter((name) => name.startsWith('agent.db'))
        .map((name) => readFileSync(join(agent.stateDir, name), 'latin1'));
    await run('puller', () => stored().join());
    expect(agent.log().includes(SECRET)).toBe(false);
  });
});
