import { spawn } from 'node:child_process';
import { cpSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { createServer as createProxy, request } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { instanceOf } from '../../src/agent/instance.ts';
import type { Agent } from '../../src/contract/agent.ts';
import type { Task } from '../../src/contract/task.ts';
import { startAgentProcess } from '../support/agent-process.ts';
import { startAgentWay } from '../support/agent-way.ts';
import { taskejoFile } from '../support/command-line.ts';
import { isAlive, killProcessesIn } from '../support/proc.ts';
import { environmentWith, exitOf, firstLine } from '../support/programs.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess();
});
afterAll(() => server.stop());

const agents = async (name: string) => {
  const { items } = await server.api<{ items: Agent[] }>('GET', '/api/v1/agents?limit=200');
  return items.filter((agent) => agent.name === name);
};

async function runs(agentId: string, url = server.url): Promise<void> {
  const body = { title: 't', command: ['true'], agent_id: agentId, environment: { WHERE: url } };
  const { id } = await server.api<{ id: string }>('POST', '/api/v1/tasks', body);
  const status = async () => (await server.api<{ status: string }>('GET', `/api/v1/tasks/${id}`)).status;
  await waitFor(async () => (await status()) === 'completed');
}

/** An agent program with these settings; what it says, and how it ended. */
function spawnAgent(settings: Record<string, string>, more: Record<string, string> = {}) {
  const own = Object.entries(settings).map(([name, value]) => [`TASKEJO_AGENT_${name}`, value]);
  const env = environmentWith({ ...Object.fromEntries(own), ...more });
  const child = spawn(process.execPath, [taskejoFile, 'agent'], {
    cwd: temporaryFolder(),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { log: '' };
  child.stderr.on('data', (text: Buffer) => {
    said.log += text.toString();
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exitOf(child);
  });
  return { child, said, online: async () => /^agent (\S+) online/.exec(await firstLine(child))?.[1] ?? '' };
}

const registration = async () =>
  (await server.api<{ token: string }>('POST', '/api/v1/tokens', { name: 'r', scope: 'register' })).token;

test('a copy of an agent ends with 3 while the original works on, and a restart takes over at once', async () => {
  const agent = await startAgentProcess(server, { name: 'original' });
  const copy = join(realpathSync(temporaryFolder()), 'copy');
  cpSync(agent.stateDir, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') });
  const second = spawnAgent({ SERVER__URL: server.url, STATE_DIR: copy, NAME: 'original' });
  expect((await exitOf(second.child)).code).toBe(3);
  await waitFor(() => second.said.log.includes('another instance of this agent is at work'));
  await runs(agent.id);
  await agent.kill();
  await agent.start();
  await runs(agent.id);
});

test('an agent whose answer of register was lost, or who died with it, is the same agent', async () => {
  const way = await startAgentWay(server.url);
  const lost = way.loseAnswer(/\/register$/);
  const settings = {
    SERVER__URL: way.url,
    SERVER__REGISTRATION_TOKEN: await registration(),
    STATE_DIR: join(temporaryFolder(), 'state'),
    NAME: 'healed',
  };
  const first = spawnAgent(settings);
  const id = await first.online();
  expect(lost.lost()).toBe(1);
  expect((await agents('healed')).map((agent) => agent.id)).toEqual([id]);
  first.child.kill('SIGKILL');
  await exitOf(first.child);
  const file = join(settings.STATE_DIR, 'identity.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), known: null }));
  expect(await spawnAgent(settings).online()).toBe(id);
  await runs(id);
});

test('an agent tells what has changed in its settings, and keeps its first name', async () => {
  const settings = {
    SERVER__URL: server.url,
    SERVER__REGISTRATION_TOKEN: await registration(),
    STATE_DIR: join(temporaryFolder(), 'state'),
    NAME: 'changing',
  };
  const first = spawnAgent(settings);
  const id = await first.online();
  first.child.kill('SIGTERM');
  await exitOf(first.child);
  const changed = { ...settings, NAME: 'renamed', LABELS: 'gpu', CAPACITY: '7' };
  const second = spawnAgent(changed);
  expect(await second.online()).toBe(id);
  expect((await agents('changing'))[0]).toMatchObject({ id, labels: ['gpu'], capacity: 7 });
  expect(await agents('renamed')).toEqual([]);
  await waitFor(() => second.said.log.includes('goes on calling this agent by its first name'));
});

test.each([-3_600_000, 3_600_000])('an agent works though its clock is wrong by %d ms', async (wrongMs) => {
  const shift = `const now = Date.now; Date.now = () => now() + ${wrongMs};`;
  const agent = await startAgentProcess(server, {
    name: `wrong${wrongMs}`,
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift)}` },
  });
  await runs(agent.id);
  expect(agent.log()).not.toContain('unauthenticated');
});

test('a plain token of scope agent is enough', async () => {
  const { token, agent_id: id } = await server.api<{ token: string; agent_id: string }>('POST', '/api/v1/tokens', {
    name: 't',
    scope: 'agent',
    agent_name: 'plain',
  });
  const stateDir = join(temporaryFolder(), 'state');
  const agent = spawnAgent({ SERVER__URL: server.url, SERVER__TOKEN: token, STATE_DIR: stateDir });
  expect(await agent.online()).toBe(id);
  await runs(id);
});

test('an agent that a later start has taken over from ends with 3, and leaves what runs to it', async () => {
  const made = { name: 't', scope: 'agent', agent_name: 'overtaken' };
  const { token, agent_id: id } = await server.api<{ token: string; agent_id: string }>('POST', '/api/v1/tokens', made);
  const stateDir = join(temporaryFolder(), 'state');
  const agent = spawnAgent({ SERVER__URL: server.url, SERVER__TOKEN: token, STATE_DIR: stateDir });
  await agent.online();
  const body = { title: 't', command: ['sleep', '600'], agent_id: id };
  const task = await server.api<{ id: string }>('POST', '/api/v1/tasks', body);
  const state = async () => server.api<Task>('GET', `/api/v1/tasks/${task.id}`);
  const running = await waitFor(async () => {
    const { attempt } = await state();
    return attempt?.process?.pid;
  });
  const database = new DatabaseSync(join(stateDir, 'agent.db'), { readOnly: true });
  const about = database.prepare('select store_id, starts from about').get();
  database.close();
  const later = instanceOf({ id: String(about?.store_id), startNumber: Number(about?.starts) + 1 }, stateDir);
  const { status } = await fetch(`${server.url}/api/v1/tasks/dequeue`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'taskejo-instance': later, 'content-type': 'application/json' },
    body: '{}',
  });
  expect(status).toBe(204);
  expect((await exitOf(agent.child)).code).toBe(3);
  expect(isAlive(running)).toBe(true);
  killProcessesIn(stateDir);
});

const tls = (file: string) => fileURLToPath(new URL(`../fixtures/tls/${file}`, import.meta.url));

test('an agent goes through the proxy of its environment, to a server whose certificate a private authority made', async () => {
  const secure = createTlsServer({ key: readFileSync(tls('server.key')), cert: readFileSync(tls('server.pem')) });
  secure.on('request', ({ method, headers, url }, answer) => {
    const options = { method: method ?? 'GET', headers };
    const onward = request(`${server.url}${url}`, options, (from) => {
      answer.writeHead(from.statusCode ?? 502, from.headers);
      from.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.req.pipe(onward);
  });
  const tunnels: string[] = [];
  const proxy = createProxy().on('connect', ({ url }, socket) => {
    tunnels.push(url ?? '');
    const onward = connect((secure.address() as AddressInfo).port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    const end = () => {
      onward.destroy();
      socket.destroy();
    };
    onward.on('error', end);
    socket.on('error', end);
  });
  for (const one of [secure, proxy]) {
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      one.close();
      one.closeAllConnections();
    });
  }
  const port = (listening: typeof proxy | typeof secure) => (listening.address() as AddressInfo).port;
  const settings = {
    // Only the proxy knows the way.
    SERVER__URL: 'https://localhost:7443',
    SERVER__REGISTRATION_TOKEN: await registration(),
    STATE_DIR: join(temporaryFolder(), 'state'),
    NAME: 'far-away',
  };
  const way = { HTTPS_PROXY: `http://127.0.0.1:${port(proxy)}` };
  const trusting = spawnAgent({ ...settings, SERVER__CA_FILE: tls('ca.pem') }, way);
  await runs(await trusting.online());
  expect(new Set(tunnels)).toEqual(new Set(['localhost:7443']));
  const doubting = spawnAgent({ ...settings, STATE_DIR: join(temporaryFolder(), 'state') }, way);
  await waitFor(() => doubting.said.log.includes('UNABLE_TO_VERIFY_LEAF_SIGNATURE'));
});

test.each([
  ['/nowhere/ca.pem', 'ENOENT'],
  [taskejoFile, 'holds no certificates'],
])('certificates that are none are refused: %s', async (file, words) => {
  const agent = spawnAgent({ SERVER__URL: 'https://localhost:7443', SERVER__CA_FILE: file, SERVER__TOKEN: 't' });
  expect((await exitOf(agent.child)).code).toBe(2);
  await waitFor(() => agent.said.log.includes(words));
});
