import { createHmac } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Attempt } from '../../src/contract/attempt.ts';
import type { Task } from '../../src/contract/task.ts';
import type { Accepted } from '../support/configured.ts';
import { expectHealthy } from '../support/examine.ts';
import { hostileStrings } from '../support/hostile-strings.ts';
import { RECORDED_SECRET, recorded } from '../support/recordings.ts';
import { describeIf } from '../support/require.ts';
import { startTwoWays, type TwoWays, WAYS, type Way } from '../support/two-ways.ts';
import { waitFor } from '../support/wait-for.ts';

const LONG = { timeoutMs: 120_000 };
const onPullRequest = recorded('v15', 'alice comments on the pull request: /run on a pull request');

/** Answers in base64 what it was given as arguments, in its environment and as input. */
const ECHO = `
  const fs = require('node:fs');
  const base64 = (text) => Buffer.from(text).toString('base64');
  const environment = fs.readFileSync('/proc/self/environ').toString('latin1').split('\\0').filter((one) => /^V_/.test(one))
    .map((one) => { const at = one.indexOf('='); return [one.slice(0, at), Buffer.from(one.slice(at + 1), 'latin1').toString('base64')]; });
  const given = fs.readFileSync('/proc/self/cmdline').toString('latin1').split('\\0').slice(3, -1);
  fs.writeFileSync(process.env.TASKEJO_OUTPUT, JSON.stringify({
    arguments: given.map((one) => Buffer.from(one, 'latin1').toString('base64')),
    environment: Object.fromEntries(environment),
    input: fs.readFileSync(0).toString('base64'),
  }));`;

/** Prints each string of its input, leaves it as output, progress and, where a name can be so, as the name of a file. */
const SAY = `
  const fs = require('node:fs');
  const said = JSON.parse(fs.readFileSync(0));
  for (const one of said) {
    process.stdout.write(one);
    process.stderr.write(one);
    fs.appendFileSync(process.env.TASKEJO_PROGRESS, one + '\\n');
    if (one.includes('/')) continue;
    try { fs.writeFileSync('./' + one, 'x', { flag: 'wx' }); } catch {}
    try { fs.mkdirSync('./' + one + '.d'); } catch {}
  }
  fs.writeFileSync(process.env.TASKEJO_OUTPUT, JSON.stringify({ said, [said[0]]: Object.fromEntries(said.map((one) => [one, 1])) }));`;

const base64 = (text: string) => Buffer.from(text).toString('base64');
const template = (way: Way) => ({
  name: way,
  command: [process.execPath, '-e', ECHO],
  input: '{{ issue.title }}|{{ issue.body }}|{{ comment.body }}',
  environment: { V_TITLE: '{{ issue.title }}', V_COMMENT: '{{ comment.body }}', V_BRANCH: '{{ ref }}' },
  requires: [way],
});
/** A variable for each string, in the environment and, between separators, in the input. */
const filled = (way: Way, count: number) => {
  const names = Array.from({ length: count }, (_, at) => `s${at}`);
  return {
    name: `${way}-filled`,
    command: [process.execPath, '-e', ECHO],
    input: names.map((name) => `{{ ${name} }}`).join('\u0001'),
    environment: Object.fromEntries(names.map((name) => [`V_${name}`, `{{ ${name} }}`])),
    variables: Object.fromEntries(names.map((name) => [name, {}])),
    requires: [way],
  };
};

describeIf('sshd', 'what people write', () => {
  let two: TwoWays;
  let marks: string;
  let strings: string[];
  beforeAll(async () => {
    const { length } = hostileStrings('');
    const templates = WAYS.flatMap((way) => [template(way), filled(way, length)]);
    two = await startTwoWays({ configuration: { templates, rules: WAYS.map(ofTemplate) } });
    marks = join(two.folder, 'marks');
    mkdirSync(marks);
    strings = hostileStrings(marks);
  });
  afterAll(async () => {
    await two?.stop();
  });
  const ofTemplate = (way: Way) => ({ on: 'comment', command: 'run', template: way });

  const post = <T>(path: string, body: unknown, token?: string) => two.server.api<T>('POST', path, body, token);
  const ended = async (id: string): Promise<Task> => {
    const task = await two.tasks.ended(id, LONG);
    expect(task.result).toMatchObject({ outcome: 'completed', error: null });
    return task;
  };
  const outputOf = (task: Task) =>
    task.result?.output as { arguments: string[]; environment: Record<string, string>; input: string };

  /** Nothing that was written did anything, and nothing of it is left where it ran. */
  const expectNothingDone = () => {
    expect(readdirSync(marks)).toEqual([]);
    for (const folder of [two.sshd.home, two.agent.stateDir, two.server.dataDir]) {
      const names = existsSync(folder) ? readdirSync(folder) : [];
      expect(names.filter((name) => /owned|touch|passwd/.test(name))).toEqual([]);
    }
  };

  it('comes in sixty forms', () => {
    expect(new Set(strings).size).toBeGreaterThanOrEqual(60);
  });

  describe.each(WAYS)('and is run %s', (way) => {
    it('arrives byte by byte as arguments, environment and input', async () => {
      const environment = Object.fromEntries(strings.map((text, at) => [`V_${at}`, text]));
      const body = { title: 'all', requires: [way], environment, input: strings.join('\u0001') };
      const command = [process.execPath, '-e', ECHO, ...strings];
      const { id } = await post<Task>('/api/v1/tasks', { ...body, command });
      const output = outputOf(await ended(id));
      expect(output.arguments).toEqual(strings.map(base64));
      expect(output.environment).toEqual(Object.fromEntries(strings.map((text, at) => [`V_${at}`, base64(text)])));
      expect(output.input).toBe(base64(strings.join('\u0001')));
      expectNothingDone();
    });

    it('arrives as the values of a template', async () => {
      const variables = Object.fromEntries(strings.map((text, at) => [`s${at}`, text]));
      const { id } = await post<Task>('/api/v1/tasks', { title: 'all', template: `${way}-filled`, variables });
      expect(outputOf(await ended(id))).toEqual({
        arguments: [],
        environment: Object.fromEntries(strings.map((text, at) => [`V_s${at}`, base64(text)])),
        input: base64(strings.join('\u0001')),
      });
      expectNothingDone();
    });

    it('arrives from a delivery, as title, body, comment and branch', async () => {
      const sent = await Promise.all(strings.map(async (text, at) => ({ text, ...(await deliver(way, text, at)) })));
      for (const { text, comment, answer } of sent) {
        expect([text, answer.decision]).toEqual([text, 'task_created']);
        const task = await ended(answer.task_ids[0] ?? '');
        expect(outputOf(task)).toEqual({
          arguments: [],
          environment: { V_TITLE: base64(text), V_COMMENT: base64(comment), V_BRANCH: base64(text) },
          input: base64(`${text}|${text}|${comment}`),
        });
        expect(task).toMatchObject({ body: text, source: { ref: text, repository: 'alice/widgets' } });
      }
      expectNothingDone();
    });

    it('comes back as it was printed, as progress, output and names of files, and leaves nothing behind', async () => {
      const command = [process.execPath, '-e', SAY];
      const { id } = await post<Task>('/api/v1/tasks', {
        title: 'say',
        requires: [way],
        command,
        input: JSON.stringify(strings),
      });
      const task = await ended(id);
      const output = { said: strings, [strings[0] ?? '']: Object.fromEntries(strings.map((text) => [text, 1])) };
      expect(task.result?.output).toEqual(output);
      for (const stream of ['stdout', 'stderr'] as const) {
        expect(await two.tasks.printed(task.attempt?.id ?? '', stream)).toBe(strings.join(''));
      }
      const root = way === 'ssh' ? join(two.sshd.home, '.taskejo') : join(two.agent.stateDir, 'work');
      await waitFor(() => globSync(`*/a.${task.attempt?.id}/run`, { cwd: root }).length === 0);
      expectNothingDone();
    });
  });

  /** A comment `/run` on a pull request whose title, body and branch are this text, signed as the forge would. */
  async function deliver(way: Way, text: string, at: number) {
    const body = JSON.parse(onPullRequest.body);
    const comment = `/run ${way}\n${text}`;
    body.comment = { ...body.comment, id: 1_000_000 + at + (way === 'ssh' ? 0 : 10_000), body: comment };
    body.issue = { ...body.issue, title: text, body: text };
    body.pull_request = {
      ...body.pull_request,
      title: text,
      body: text,
      head: { ...body.pull_request.head, ref: text },
    };
    const bytes = JSON.stringify(body);
    const headers = onPullRequest.headers.filter(([name]) => /^(?:content-type|x-forgejo-event.*)$/i.test(name));
    const signature = createHmac('sha256', RECORDED_SECRET).update(bytes).digest('hex');
    const response = await fetch(`${two.server.url}/webhooks/forgejo`, {
      method: 'POST',
      headers: [...headers, ['X-Forgejo-Signature', signature]],
      body: bytes,
    });
    return { comment, answer: (await response.json()) as Accepted };
  }

  it('stays as written in title, body, input and key, and is found by what it is', async () => {
    for (const text of strings) {
      const words = {
        title: text.slice(0, 500).toWellFormed(),
        body: text,
        input: text,
        concurrency_key: `k${text}`.slice(0, 200),
      };
      const body = { ...words, command: ['true'], requires: ['nobody'] };
      const { id } = await post<Task>('/api/v1/tasks', body);
      expect(await two.tasks.task(id)).toMatchObject(words);
      const sought = encodeURIComponent(text.slice(0, 100).toWellFormed());
      const { items } = await two.server.api<{ items: Task[] }>('GET', `/api/v1/tasks?limit=200&q=${sought}`);
      expect(items.map((task) => task.id)).toContain(id);
      await post(`/api/v1/tasks/${id}/cancel`, { reason: text.slice(0, 1000) });
      const [, cancelled] = await two.tasks.events(id);
      expect(JSON.stringify(cancelled?.data)).toContain(JSON.stringify(text.slice(0, 1000)));
    }
  });

  it('is refused where only certain words may stand: labels, repositories, names of variables', async () => {
    const refused = async (body: object) =>
      post('/api/v1/tasks', { title: 't', command: ['true'], ...body }).then(
        () => 'made',
        (error: Error) => /: (\d{3}) /.exec(error.message)?.[1],
      );
    for (const text of strings) {
      expect([text, await refused({ requires: [text] })]).toEqual([text, '422']);
      expect([text, await refused({ repository: `main:${text}` })]).toEqual([text, '422']);
      expect([text, await refused({ environment: { [text]: 'x' } })]).toEqual([text, '422']);
    }
    for (const bad of ['\0', 'a\0b', '\ud800', 'a\udfff']) {
      for (const body of [
        { title: bad },
        { body: bad },
        { input: bad },
        { command: [bad] },
        { environment: { A: bad } },
      ])
        expect([bad, await refused(body)]).toEqual([bad, '422']);
    }
  });

  it('names an agent as it was written, where it is one word', async () => {
    const words = strings.filter((text) => !/[\s/\0]/.test(text) && text.length <= 100);
    const odd = ['$(id)', '`id`', "';id;'", '--', '-rf', '*', '<b>x', '{{x}}', '\u202egnp', '%s', ...words];
    for (const name of new Set(odd)) {
      const { agent_id } = await post<{ agent_id: string }>('/api/v1/agents/register', { name });
      const shown = await two.server.api<{ name: string }>('GET', `/api/v1/agents/${agent_id}`);
      expect(shown.name).toBe(name);
      await two.server.api('DELETE', `/api/v1/agents/${agent_id}`);
    }
  });

  it('comes back as error, summary and reason, from whoever says it over HTTP', async () => {
    const request = { name: 'by hand', scope: 'agent', agent_name: 'by-hand' };
    const { token, agent_id } = await post<{ token: string; agent_id: string }>('/api/v1/tokens', request);
    await two.server.api('PATCH', `/api/v1/agents/${agent_id}`, { capacity: 100 });
    for (const text of strings) {
      const { id } = await post<Task>('/api/v1/tasks', { title: 'say', command: ['true'], agent_id });
      const { tasks } = await post<{ tasks: { id: string; attempt: { id: string } }[] }>(
        '/api/v1/tasks/dequeue',
        {},
        token,
      );
      const [taken] = tasks;
      expect(taken?.id).toBe(id);
      const attempt = `/api/v1/attempts/${taken?.attempt.id}`;
      await post(`${attempt}/progress`, { message: text.slice(0, 1000) }, token);
      const said = { error: text.slice(0, 1000), summary: text, output: { [text]: [text] } };
      await post(`${attempt}/complete`, { outcome: 'failed', exit_code: 1, ...said }, token);
      expect(await two.server.api<Attempt>('GET', attempt)).toMatchObject(said);
      expect((await two.tasks.task(id)).attempt?.progress?.message).toBe(text.slice(0, 1000));
    }
  });

  it('has done nothing to the database', async () => {
    await expectHealthy(two.server);
    expectNothingDone();
  });
});
