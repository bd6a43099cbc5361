import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { type AgentWay, startAgentWay } from '../support/agent-way.ts';
import { expectHealthy } from '../support/examine.ts';
import { aliveWith, descendants, killAll, sleepMark } from '../support/proc.ts';
import { environmentWith, exitOf } from '../support/programs.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { createTaskClient, type TaskClient } from '../support/task-client.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

/** A command that the shell runs, and more that it finds beside `TASKEJO_URL` and `TASKEJO_TOKEN`. */
export type AgentCommand = { command: string; env: (given: { url: string; token: string }) => Record<string, string> };

const LEASE_SECONDS = 6;

/** What docs/agent-protocol.md asks of any agent, with a real server and a way to it on which things go wrong. */
export function agentProtocolSuite(title: string, { command, env }: AgentCommand): void {
  describe(`by the protocol, ${title}`, () => {
    let server: ServerProcess;
    let tasks: TaskClient;
    let way: AgentWay;
    let agentId = '';
    let named = 0;
    const folder = mkdtempSync(join(tmpdir(), 'taskejo-protocol-'));

    beforeAll(async () => {
      server = await startServerProcess({
        TASKEJO_LEASES__SECONDS: String(LEASE_SECONDS),
        TASKEJO_LEASES__RENEW_SECONDS: '1',
        TASKEJO_LEASES__SWEEP_SECONDS: '0.5',
        TASKEJO_CONFIG: writeConfiguration(folder),
      });
      tasks = createTaskClient(server);
    });
    beforeEach(async () => {
      way = await startAgentWay(server.url);
      const body = { name: 'tried', scope: 'agent', agent_name: `tried-${++named}` };
      const made = await server.api<{ token: string; agent_id: string }>('POST', '/api/v1/tokens', body);
      agentId = made.agent_id;
      startAgent(command, { url: way.url, token: made.token }, env);
    });
    afterAll(async () => {
      await expectHealthy(server);
      await server?.stop();
      rmSync(folder, { recursive: true });
    });

    const create = (line: string, more: Record<string, unknown> = {}) =>
      tasks.create(line, { agent_id: agentId, ...more });
    const done = async (line: string, more: Record<string, unknown> = {}) => tasks.ended((await create(line, more)).id);
    const printed = ({ attempt }: Task, stream: 'stdout' | 'stderr' = 'stdout') =>
      tasks.printed(attempt?.id ?? '', stream);
    const cancel = (id: string) => server.api('POST', `/api/v1/tasks/${id}/cancel`);
    /** A command that runs until the file is there. */
    const untilThere = (file: string) => `while [ ! -e ${file} ]; do sleep 0.1; done`;

    test('runs the command, and says its output and its success', async () => {
      const task = await done('echo out; echo err >&2');
      expect(task).toMatchObject({ status: 'completed', result: { outcome: 'completed', exit_code: 0 } });
      expect([await printed(task), await printed(task, 'stderr')]).toEqual(['out\n', 'err\n']);
      expect((await tasks.events(task.id)).map(({ type }) => type)).toEqual([
        'created',
        'assigned',
        'started',
        'completed',
      ]);
    });

    test('says with which code the command failed, and goes on with the next one', async () => {
      expect((await done('exit 3')).result).toMatchObject({ outcome: 'failed', failure_class: 'exit', exit_code: 3 });
      expect((await done('true')).status).toBe('completed');
    });

    test('hands over arguments, input, environment and the token of the attempt as they are, and no more', async () => {
      const odd = `a'b "c" $d \\ %s\n\tžluť`;
      const script =
        'cat; printf "%s|" "$@" "$ODD" "$KEY"; env | cut -d= -f1 | sort | tr "\\n" " "; printf %.6s "$TASKEJO_TOKEN"';
      const body = {
        command: ['sh', '-c', script, 'sh', odd, ''],
        input: `${odd}\n`,
        environment: { ODD: odd, KEY: 'k' },
      };
      const task = await done('odd', body);
      const text = await printed(task);
      expect(text.startsWith(`${odd}\n${odd}||${odd}|k|`)).toBe(true);
      for (const name of ['HOME', 'LANG', 'PATH', 'TASKEJO_ATTEMPT_ID', 'TASKEJO_TASK_ID', 'TASKEJO_URL']) {
        expect(text).toContain(`${name} `);
      }
      // Of an attempt, not of an agent: as much of it as may be shown.
      expect(text).toMatch(/tkj_at$/);
      expect(text).not.toContain('CANARY');
    });

    test('hands over input that is no text', async () => {
      const task = await done('od -An -tx1', { input_base64: Buffer.from([0, 255, 10]).toString('base64') });
      expect(await printed(task)).toBe(' 00 ff 0a\n');
    });

    test('gives the command the values of secrets, of which nothing is kept', async () => {
      const task = await done('', { template: 'with-secret', command: undefined, title: 's' });
      expect(task.status).toBe('completed');
      expect(await printed(task)).toBe('12 ************');
    });

    test('does not run a command without the sandbox that it is to have', async () => {
      const file = join(temporaryFolder(), 'began');
      const { result } = await done(`touch ${file}`, { sandbox: 'container', max_infra_retries: 0 });
      expect(existsSync(file)).toBe(false);
      if (result?.outcome !== 'completed') expect(result).toMatchObject({ outcome: 'failed', failure_class: 'setup' });
    });

    test('sends a log of several pieces whole', async () => {
      const task = await done('seq 1 60000; seq 1 300 >&2');
      const lines = (last: number) => Array.from({ length: last }, (_, n) => `${n + 1}\n`).join('');
      expect(await printed(task)).toBe(lines(60_000));
      expect(await printed(task, 'stderr')).toBe(lines(300));
    });

    test('keeps a command that runs longer than its lease', async () => {
      const task = await done(`sleep ${LEASE_SECONDS + 2}; echo done`);
      expect(await tasks.attempts(task.id)).toHaveLength(1);
      expect(await printed(task)).toBe('done\n');
    });

    test('does not begin what was cancelled before the start', async () => {
      const file = join(temporaryFolder(), 'began');
      // The cut request is asked again, after the cancel.
      const asked = Promise.withResolvers<void>();
      way.once(/\/start$/, 'asked', asked.resolve);
      const { id } = await create(`touch ${file}`);
      await asked.promise;
      await cancel(id);
      expect((await tasks.ended(id)).status).toBe('cancelled');
      expect((await done('true')).status).toBe('completed');
      expect(existsSync(file)).toBe(false);
    });

    test('stops a command that is cancelled, and all that it has started', async () => {
      const seconds = sleepMark();
      const { id } = await create(`sleep ${seconds} & sleep ${seconds}`);
      await waitFor(() => aliveWith(`sleep ${seconds}`).length >= 2);
      await cancel(id);
      expect((await tasks.ended(id)).result).toMatchObject({ outcome: 'cancelled' });
      await waitFor(() => aliveWith(`sleep ${seconds}`).length === 0);
    });

    test('ends a command after its time', async () => {
      const seconds = sleepMark();
      const task = await done(`sleep ${seconds}`, { timeout_seconds: 1 });
      expect(task.result).toMatchObject({ outcome: 'failed', failure_class: 'timeout' });
      await waitFor(() => aliveWith(`sleep ${seconds}`).length === 0);
    });

    test.each(['dequeue', 'start', 'renew', 'log/stdout', 'complete'])(
      'asks again for a lost answer of %s',
      async (call) => {
        const folder = temporaryFolder();
        const [count, file] = [join(folder, 'count'), join(folder, 'go')];
        const lost = way.loseAnswer(new RegExp(`/${call}(?:\\?|$)`));
        const { id } = await create(`echo ran >>${count}; ${untilThere(file)}; echo out`);
        if (call === 'renew') await waitFor(() => lost.lost() === 1);
        writeFileSync(file, '');
        const task = await tasks.ended(id);
        // What the server has done shows before its answer has come so far.
        await waitFor(() => lost.lost() === 1);
        expect(task).toMatchObject({ status: 'completed' });
        expect(await tasks.attempts(task.id)).toHaveLength(1);
        expect(readFileSync(count, 'utf8')).toBe('ran\n');
        expect(await printed(task)).toBe('out\n');
      },
    );

    test('works on while the server is away, and says the result when it is back', async () => {
      const file = join(temporaryFolder(), 'go');
      const ended = `${file}-ended`;
      const { id } = await create(`${untilThere(file)}; echo late; touch ${ended}`);
      await tasks.until(id, ({ status }) => status === 'running');
      way.cut();
      writeFileSync(file, '');
      await waitFor(() => existsSync(ended));
      way.restore();
      const task = await tasks.ended(id);
      expect([task.status, await printed(task)]).toEqual(['completed', 'late\n']);
    });

    test('lets go of what is not its own any more, and goes on with other work', async () => {
      const seconds = sleepMark();
      const { id } = await create(`sleep ${seconds}`, { repeatable: false });
      await tasks.until(id, ({ status }) => status === 'running');
      way.cut();
      expect((await tasks.ended(id)).result).toMatchObject({ outcome: 'lost' });
      way.restore();
      await waitFor(() => aliveWith(`sleep ${seconds}`).length === 0);
      expect((await done('true')).status).toBe('completed');
    });
  });
}

/** Stops with the test, and all that it has started. */
function startAgent(command: string, given: { url: string; token: string }, more: AgentCommand['env']): void {
  const child = spawn('sh', ['-c', `exec ${command}`], {
    cwd: temporaryFolder(),
    env: environmentWith({
      TASKEJO_URL: given.url,
      TASKEJO_TOKEN: given.token,
      CANARY: 'of the agent',
      ...more(given),
    }),
    stdio: 'ignore',
  });
  onTestFinished(async () => {
    const all = descendants(child.pid ?? 0).map(({ pid }) => pid);
    child.kill('SIGKILL');
    killAll(all);
    await exitOf(child);
  });
}

function writeConfiguration(folder: string): string {
  const file = join(folder, 'taskejo.yaml');
  const text = `
secrets: {KEY: {value: twelve-chars, templates: [with-secret]}}
templates:
  - name: with-secret
    command: [sh, -c, 'printf %s "\${#KEY} $KEY"']
    environment: {KEY: {secret: KEY}}
`;
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}
