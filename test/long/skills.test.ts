import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import type { Agent } from '../../src/contract/agent.ts';
import type { Attempt } from '../../src/contract/attempt.ts';
import type { Task } from '../../src/contract/task.ts';
import type { CreatedToken } from '../../src/contract/token.ts';
import { deliver, startConfiguredServer } from '../support/configured.ts';
import { recorded } from '../support/recordings.ts';
import { requireProgram } from '../support/require.ts';
import { runSkill } from '../support/run-skill.ts';
import type { ServerProcess } from '../support/serve.ts';
import { readSkill, skillNames, skillsFolder } from '../support/skills.ts';
import { createTaskClient } from '../support/task-client.ts';

test('there is a skill for each of the four who use the service', () => {
  expect(skillNames).toEqual(['coordinator', 'operator', 'requester', 'worker']);
});

describe.each(skillNames)('the skill %s', (name) => {
  const skill = readSkill(name);
  const main = skill.files.get('SKILL.md') ?? '';

  test('says its name, and what it is for and when, in front matter that every reader knows', () => {
    const { frontMatter } = skill;
    const known = ['name', 'description', 'license', 'compatibility', 'metadata', 'allowed-tools'];
    expect([...frontMatter.keys()].filter((key) => !known.includes(key))).toEqual([]);
    expect(frontMatter.get('name')).toBe(name);
    expect(name).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*$/);
    expect(frontMatter.get('description')).toMatch(/^.{80,1024}$/);
    expect(frontMatter.get('description')).toMatch(/Use when /);
    expect(frontMatter.get('compatibility')).toMatch(/^.{1,500}$/);
  });

  test('is short, and refers to all of its files and to no others', () => {
    expect(main.split('\n').length - 1).toBeLessThanOrEqual(120);
    expect(main).toMatch(/^# \S/m);
    const links = [...skill.files].flatMap(([file, text]) =>
      [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, to = '']) => join(dirname(file), to)),
    );
    expect(links.filter((to) => !existsSync(join(skillsFolder, name, to)))).toEqual([]);
    expect([...skill.files.keys()].filter((file) => file !== 'SKILL.md' && !links.includes(file))).toEqual([]);
  });

  test('names no address and no token in its blocks, and each of them is run or says why not', () => {
    for (const { place, language, text } of skill.blocks) {
      expect(language, place).toBe('sh');
      expect(text, place).not.toMatch(/https?:\/\/|localhost|\d+\.\d+\.\d+\.\d+|tkj_/);
    }
    const run = skill.blocks.filter((block) => block.skip === null);
    console.log(`the skill ${name}: ${run.length} of ${skill.blocks.length} blocks are run`);
    expect(run.length).toBeGreaterThan(skill.blocks.length / 2);
  });
});

const programs = (context: TestContext) => {
  for (const name of ['bash', 'curl', 'jq'] as const) requireProgram(name, context);
};

/** What whoever follows a skill is given. */
async function environmentFor(server: ServerProcess, scope: string, agent?: string) {
  const token = (body: object) => server.api<CreatedToken>('POST', '/api/v1/tokens', { name: 'for a skill', ...body });
  const mine = await token({ scope, ...(agent === undefined ? {} : { agent_name: agent }) });
  const registration = await token({ scope: 'register' });
  return {
    TASKEJO_URL: server.url,
    TASKEJO_TOKEN: mine.token,
    TASKEJO_REGISTRATION_TOKEN: registration.token,
  };
}

const startServer = () => startConfiguredServer(null, { command: ['true'], requires: [] });
const list = async <T>(server: ServerProcess, path: string) => (await server.api<{ items: T[] }>('GET', path)).items;

test('a task that is made by the skill of a requester is done by the skill of a worker', async (context) => {
  programs(context);
  const server = await startServer();
  const [requester, worker] = await Promise.all([
    runSkill('requester', await environmentFor(server, 'coordinator')),
    runSkill('worker', await environmentFor(server, 'agent', 'ai')),
  ]);
  expect(requester.wrong).toEqual([]);
  expect(worker.wrong).toEqual([]);
  const [task] = await list<Task>(server, '/api/v1/tasks');
  expect(task).toMatchObject({ status: 'completed', result: { outcome: 'completed', exit_code: 0 } });
  expect(requester.output).toContain('counting\n');
  expect(requester.output).toContain('"outcome": "completed"');
  expect(await createTaskClient(server).printed(task?.attempt?.id ?? '')).toMatch(/^counting\n *3\n$/);
});

test('the skill of a worker renews while the command runs, and stops it when the task is cancelled', async (context) => {
  programs(context);
  const server = await startServer();
  const client = createTaskClient(server);
  const task = await client.create('echo begun; sleep 300', { environment: { WORDS: "two 'quoted' words" } });
  const running = runSkill('worker', await environmentFor(server, 'agent', 'ai'));
  await client.until(task.id, ({ attempt }) => attempt?.started_at != null);
  const { attempt } = await client.task(task.id);
  await client.until(task.id, (now) => (now.attempt?.lease_expires_at ?? '') > (attempt?.lease_expires_at ?? ''));
  await server.api('POST', `/api/v1/tasks/${task.id}/cancel`, { reason: 'enough' });
  const { wrong, calls } = await running;
  expect(wrong).toEqual([]);
  expect(calls.filter(({ path }) => path.endsWith('/renew')).length).toBeGreaterThanOrEqual(2);
  expect(await client.task(task.id)).toMatchObject({ status: 'cancelled', result: { outcome: 'cancelled' } });
  expect(await client.printed(attempt?.id ?? '')).toBe('begun\n');
});

test('the skill of a worker stops the command and sends no result when its lease was lost', async (context) => {
  programs(context);
  const server = await startServer();
  const client = createTaskClient(server);
  const task = await client.create('sleep 300');
  const worker = await runSkill('worker', await environmentFor(server, 'agent', 'ai'), (text) =>
    text.replace(/every=\S+ '[^']+'\)/, 'every=10'),
  );
  expect(worker.wrong).toEqual([expect.stringMatching(/POST \S+\/renew was answered 409$/)]);
  const completions = worker.calls.filter(({ path }) => path.endsWith('/complete'));
  expect(completions).toMatchObject([{ place: expect.stringMatching(/^references\/errors\.md/), status: 409 }]);
  expect(await client.task(task.id)).toMatchObject({ status: 'pending', infra_retries: 1 });
});

test('the skill of a worker gives a command its input and environment, and tells its true exit code', async (context) => {
  programs(context);
  const server = await startServer();
  const client = createTaskClient(server);
  const words = `it's "so", $HOME\nand more`;
  const command =
    'cat; printf "%s|%.12s|%s" "$WORDS" "$TASKEJO_TOKEN" "$TASKEJO_REGISTRATION_TOKEN"; echo oh >&2; exit 7';
  const task = await client.create(command, { input: 'žluť\n', environment: { WORDS: words } });
  expect((await runSkill('worker', await environmentFor(server, 'agent', 'ai'))).wrong).toEqual([]);
  const [attempt] = await list<Attempt>(server, `/api/v1/tasks/${task.id}/attempts`);
  expect(attempt).toMatchObject({ outcome: 'failed', failure_class: 'exit', exit_code: 7 });
  expect(await client.printed(attempt?.id ?? '')).toBe(`žluť\n${words}|tkj_attempt_|`);
  expect(await client.printed(attempt?.id ?? '', 'stderr')).toBe('oh\n');
});

test('whoever has a registration token only registers by the skill of a worker, finds no task, and leaves', async (context) => {
  programs(context);
  const server = await startServer();
  const env = await environmentFor(server, 'viewer');
  const worker = await runSkill('worker', { ...env, TASKEJO_TOKEN: '' }, (text) =>
    text.replace('wait_seconds: 20', 'wait_seconds: 1'),
  );
  expect(worker.wrong).toEqual([]);
  const told = worker.calls.map(({ method, path, status }) => `${method} ${path} ${status}`);
  expect(told.slice(0, 2)).toEqual(['POST /api/v1/agents/register 201', 'POST /api/v1/tasks/dequeue 204']);
  expect(told.at(-1)).toBe('DELETE /api/v1/agents/me 204');
  expect(await list<Agent>(server, '/api/v1/agents')).toEqual([]);
});

test('the skill of a coordinator tells why a task waits and why a delivery was ignored, and leaves nothing behind', async (context) => {
  programs(context);
  const server = await startServer();
  await deliver(server, recorded('v15', 'bob (reader) comments: /run as a reader'));
  const waiting = await createTaskClient(server).create('true', { title: 'needs a GPU', requires: ['gpu'] });
  const { wrong, output } = await runSkill('coordinator', await environmentFor(server, 'coordinator'));
  expect(wrong).toEqual([]);
  expect(output).toMatch(new RegExp(`${waiting.id}\t.*\tno_agents\tneeds a GPU`));
  expect(output).toContain('labels_nobody_has\n');
  expect(output).toMatch(/"reason": "sender_not_allowed: bob /);
  expect(await list<Agent>(server, '/api/v1/agents')).toEqual([]);
  expect(await list<Task>(server, '/api/v1/tasks?status=pending')).toMatchObject([{ id: waiting.id }]);
});

test('the skill of an operator works, and its token is revoked', async (context) => {
  programs(context);
  const server = await startServer();
  const { wrong, output } = await runSkill('operator', await environmentFor(server, 'admin'));
  expect(wrong).toEqual([]);
  expect(output).toMatch(/comand.*did you mean command/);
  expect(output).toContain('exit code 2: ');
  const names = (await list<CreatedToken>(server, '/api/v1/tokens')).map((token) => token.name);
  expect(names).not.toContain('example of a skill');
  expect(output).not.toContain('tkj_');
});

test('a skill that calls what is not there, or whose error is another one, is found out', async (context) => {
  programs(context);
  const server = await startServer();
  const env = await environmentFor(server, 'admin');
  const broken = (from: string, to: string) => runSkill('operator', env, (text) => text.replace(from, to));
  expect((await broken('/healthz', '/health')).wrong).toEqual([
    expect.stringMatching(/ended the shell with 22/),
    expect.stringMatching(/GET \/health was answered 404/),
    expect.stringMatching(/no answer 401/),
  ]);
  expect((await broken('$TASKEJO_URL/readyz" | jq -r .status', '$TASKEJO_URL/nowhere" | cat || true')).wrong).toEqual([
    expect.stringMatching(/GET \/nowhere was answered 404/),
  ]);
  expect(
    (await broken('--oauth2-bearer "$viewer" "$v1/tasks?limit=1" | jq -r .code', '"$v1/x" || true')).wrong,
  ).toEqual([expect.stringMatching(/GET \/api\/v1\/x was answered 404/), expect.stringMatching(/no answer 401/)]);
});
