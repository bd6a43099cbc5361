import { existsSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Cleanup, LocalTaskDetail, QueueStatus, SystemInfo } from '../../src/contract/local-api.ts';
import { type AgentProcess, startAgentProcess } from '../support/agent-process.ts';
import { taskejo } from '../support/command-line.ts';
import { expectHealthy } from '../support/examine.ts';
import { listProcesses, sleepMark } from '../support/proc.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const { server, tasks } = await serverOfFile({ TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
afterAll(() => expectHealthy(server));

/** An agent whose settings stand in a file, and its commands. */
async function agentWith(name: string, env: Record<string, string> = {}) {
  const labels = { TASKEJO_AGENT_LABELS: name };
  const agent = await startAgentProcess(server, { name, file: true, env: { ...labels, ...env } });
  const config = join(agent.stateDir, 'agent.yaml');
  const command = (...words: string[]) => taskejo(['agent', ...words, '--config', config], { env });
  const json = async <T>(...words: string[]): Promise<T> => {
    const { code, stdout, stderr } = await command(...words, '--json');
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as T;
  };
  const running = async (script: string, more: Record<string, unknown> = {}) => {
    const { id } = await tasks.create(script, { requires: [name], ...more });
    await tasks.until(id, ({ attempt }) => attempt?.process != null);
    return id;
  };
  return { agent, command, json, running };
}

type Answer = { status: number; body: Record<string, unknown> };

/** A request as any program of the machine may make it. */
function ask(
  where: { socketPath: string } | { host: string; port: number },
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ ...where, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => {
        text += part.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    asking.on('error', reject).end();
  });
}

const socketOf = ({ stateDir }: AgentProcess) => ({ socketPath: join(stateDir, 'agent.sock') });

describe('the agent of this machine', () => {
  test('says what it works on, who it is and how the machine does', async () => {
    const gpus = temporaryFolder();
    const line = '0, Fake GPU, 83, 1, 2, 71';
    writeFileSync(join(gpus, 'nvidia-smi'), `#!/bin/sh\necho '${line}'\n`, { mode: 0o755 });
    const path = `${gpus}:/usr/local/bin:/usr/bin:/bin`;
    const { agent, command, json, running } = await agentWith('status', {
      TASKEJO_AGENT_ENVIRONMENT__SET: JSON.stringify({ PATH: path }),
    });
    const id = await running('echo begun; sleep 600');
    const { attempt } = await tasks.task(id);
    const status = await json<QueueStatus & { items: LocalTaskDetail[] }>('status');
    expect(status).toMatchObject({ running: 1, places: 3, draining: false });
    expect(status.items).toMatchObject([{ attempt_id: attempt?.id, task_id: id, status: 'running' }]);
    expect(status.items[0]?.pid).toBe(attempt?.process?.pid);
    const sinceMs = Math.abs(Date.now() - Date.parse(status.items[0]?.started_at ?? ''));
    expect(sinceMs).toBeLessThan(60_000);
    expect((await command('status')).stdout).toMatch(new RegExp(`^1 of 3 places taken\\nATTEMPT .*\\n${attempt?.id}`));
    const info = await json<SystemInfo>('info');
    expect(info).toMatchObject({ agent_id: agent.id, name: 'status', server: { url: server.url, online: true } });
    expect(info.metrics.gpus).toMatchObject([{ name: 'Fake GPU', utilization_percent: 83 }]);
    expect((await command('info')).stdout).toContain('gpu 0:        Fake GPU, 83 % busy');
    const shown = await waitFor(async () => {
      const { metrics } = await server.api<{ metrics?: SystemInfo['metrics'] }>('GET', `/api/v1/agents/${agent.id}`);
      return metrics;
    });
    expect(shown).toMatchObject({ gpus: [{ utilization_percent: 83 }], disk_free_bytes: expect.any(Number) });
    const one = await waitFor(async () => {
      const answer = await ask(socketOf(agent), 'GET', `/api/v1/tasks/${attempt?.id}`);
      return answer.body.stdout_bytes !== 0 && answer;
    });
    expect(one).toMatchObject({ status: 200, body: { machine_state: 'running', stdout_bytes: 6, number: 1 } });
  });

  test('stops an attempt, which has failed in the machinery then, and leaves no process', async () => {
    const { command, running } = await agentWith('stop');
    const mark = sleepMark();
    const id = await running(`sleep ${mark}`);
    const attempt = (await tasks.task(id)).attempt?.id ?? '';
    await server.api('PATCH', `/api/v1/agents/${(await tasks.task(id)).assigned_agent_id}`, { draining: true });
    const { code, stdout } = await command('stop', attempt);
    expect([code, stdout]).toEqual([0, `attempt ${attempt} of task ${id} is stopped\n`]);
    expect(listProcesses().filter((one) => one.arguments.includes(mark))).toEqual([]);
    await tasks.until(id, ({ status }) => status === 'pending');
    const { items } = await server.api<{ items: object[] }>('GET', `/api/v1/tasks/${id}/attempts`);
    const ended = { outcome: 'failed', failure_class: 'infrastructure', error: 'stopped on the machine' };
    expect(items).toMatchObject([{ id: attempt, ...ended }]);
    const again = await command('stop', attempt);
    expect([again.code, again.stderr]).toEqual([1, 'taskejo: There is no such attempt here. (not_found)\n']);
    await server.api('POST', `/api/v1/tasks/${id}/cancel`, {});
  });

  test('takes nothing new while it is drained, also after a restart, and the server knows it', async () => {
    const { agent, command } = await agentWith('drain');
    expect((await command('drain')).stdout).toBe('the agent takes nothing new, 0 of 3 places taken\n');
    const draining = async () =>
      (await server.api<{ draining: boolean }>('GET', `/api/v1/agents/${agent.id}`)).draining;
    await waitFor(draining);
    const { id } = await tasks.create('true', { requires: ['drain'] });
    await agent.stop();
    await agent.start();
    expect(await draining()).toBe(true);
    expect(await tasks.task(id)).toMatchObject({ status: 'pending', waiting_reason: 'draining' });
    expect((await command('undrain')).stdout).toBe('the agent takes new work, 0 of 3 places taken\n');
    expect(await tasks.ended(id)).toMatchObject({ status: 'completed' });
  });

  test('removes what ended attempts left when it is told to, and says before what that would be', async () => {
    const { agent, json } = await agentWith('cleanup');
    const { id } = await tasks.create('head -c 5000 /dev/zero >file; exit 1', { requires: ['cleanup'] });
    const { attempt } = await tasks.ended(id);
    const { installation_id } = await server.api<{ installation_id: string }>('GET', '/healthz');
    const file = join(agent.stateDir, 'work', installation_id, `a.${attempt?.id}`, 'run/ws/file');
    const found = await waitFor(async () => {
      const { items } = await json<Cleanup>('cleanup', '--dry-run');
      return items[0];
    });
    expect([found.attempt_id, found.bytes > 5000, existsSync(file)]).toEqual([attempt?.id, true, true]);
    expect(await json<Cleanup>('cleanup')).toMatchObject({ dry_run: false, items: [found] });
    expect(existsSync(file)).toBe(false);
    expect(await json<Cleanup>('cleanup')).toMatchObject({ items: [], bytes: 0 });
  });

  test('leaves the server at once, with what it runs only by force, and is another one at its next start', async () => {
    const { agent, command, running } = await agentWith('leave');
    const mark = sleepMark();
    await running(`sleep ${mark}`, { max_infra_retries: 0 }); // nothing that the next start would take
    const refused = await command('leave');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('An attempt is open on this machine')]);
    const { id } = agent;
    const left = await command('leave', '--force');
    expect([left.code, left.stdout]).toEqual([0, 'this machine has left the server, 1 attempt was stopped\n']);
    expect(listProcesses().filter((one) => one.arguments.includes(mark))).toEqual([]);
    await expect(server.api('GET', `/api/v1/agents/${id}`)).rejects.toThrow('404');
    expect(await agent.died()).toBe(0);
    expect((await command('status')).stderr).toContain('no agent listens on');
    await agent.start();
    expect(agent.id).not.toBe(id);
    await agent.stop();
    expect((await command('leave')).stdout).toBe('this machine has left the server\n');
    await expect(server.api('GET', `/api/v1/agents/${agent.id}`)).rejects.toThrow('404');
  });
});

describe('the local API', () => {
  test('is a socket that only its user may open, gone with its agent and replaced after a kill', async () => {
    const { agent } = await agentWith('socket');
    const { socketPath } = socketOf(agent);
    expect((statSync(socketPath).mode & 0o777).toString(8)).toBe('600');
    expect((await ask({ socketPath }, 'GET', '/api/v1/ping')).body).toMatchObject({ status: 'ok' });
    await agent.kill();
    expect(existsSync(socketPath)).toBe(true);
    await agent.start();
    expect((await ask({ socketPath }, 'GET', '/api/v1/ping')).status).toBe(200);
    await agent.stop();
    expect(existsSync(socketPath)).toBe(false);
  });

  test('answers what it can’t do with the codes of the server’s API', async () => {
    const { agent } = await agentWith('codes');
    const asked = async (method: string, path: string) => {
      const { status, body } = await ask(socketOf(agent), method, path);
      return [status, body.code];
    };
    expect(await asked('GET', '/api/v1/nothing')).toEqual([404, 'not_found']);
    expect(await asked('POST', '/api/v1/tasks')).toEqual([405, 'method_not_allowed']);
    expect(await asked('GET', '/api/v1/tasks/none')).toEqual([404, 'not_found']);
    expect(await asked('POST', '/api/v1/cleanup?dryrun=1')).toEqual([422, 'invalid']);
    expect(await asked('POST', '/api/v1/cleanup?dry_run=maybe')).toEqual([422, 'invalid']);
  });

  test('on a port is for programs, not for web pages, where it is wanted', async () => {
    const port = await freePort();
    await agentWith('port', { TASKEJO_AGENT_LOCAL_API__LISTEN: `127.0.0.1:${port}` });
    const at = { host: '127.0.0.1', port };
    expect((await ask(at, 'GET', '/api/v1/queue/status')).body).toMatchObject({ running: 0, places: 3 });
    const page = await ask(at, 'POST', '/api/v1/drain', { origin: 'https://evil.example' });
    const rebound = await ask(at, 'GET', '/api/v1/tasks', { host: `evil.example:${port}` });
    expect([page.status, rebound.status]).toEqual([403, 403]);
    expect((await ask(at, 'GET', '/api/v1/queue/status')).body).toMatchObject({ draining: false });
  });

  test('keeps an agent from starting where another one listens', async () => {
    const { agent } = await agentWith('first');
    const { code, stderr } = await taskejo(['agent'], {
      env: {
        TASKEJO_AGENT_SERVER__URL: server.url,
        TASKEJO_AGENT_SERVER__TOKEN: (
          await server.api<{ token: string }>('POST', '/api/v1/tokens', {
            name: 'second',
            scope: 'agent',
            agent_name: 'second',
          })
        ).token,
        TASKEJO_AGENT_STATE_DIR: temporaryFolder(),
        TASKEJO_AGENT_LOCAL_API__SOCKET: socketOf(agent).socketPath,
      },
    });
    expect([code, stderr]).toEqual([2, expect.stringContaining('another program listens there')]);
    expect((await ask(socketOf(agent), 'GET', '/api/v1/ping')).status).toBe(200);
  });
});

function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
