import { createHmac, randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { template } from '../../src/contract/template.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../support/recordings.ts';
import { addAgent } from '../support/tasks.ts';

const missing = randomUUIDv7();
const LIMITS = { cpu_percent: 150, memory_bytes: 1_000_000, processes: null, file_size_bytes: null, cost_usd: 2.5 };
const bound = {
  name: 'bound',
  description: 'All that a template can say',
  command: ['sh', '-c', 'cat'],
  body: 'Of the template',
  input_base64: Buffer.from([0, 255, 10]).toString('base64'),
  environment: { LANG: 'C' },
  requires: ['gpu'],
  priority: 'high',
  execution_mode: 'http_pull',
  agent_id: 'gpu-agent',
  timeout_seconds: 77,
  run_after: '2099-01-01T02:00:00+02:00',
  on_dependency_failure: 'run',
  requires_approval: true,
  concurrency_key: 'gpu {{ which }}',
  max_retries: 4,
  max_infra_retries: 5,
  retry_delay_seconds: 6,
  preemptible: false,
  repeatable: false,
  limits: LIMITS,
  sandbox: 'bubblewrap',
  output_schema: { type: 'object' },
  repository: 'main:alice/widgets',
  variables: { which: { default: 1, description: 'The number of the card' }, other: {} },
};

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    forges: [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET], trusted_senders: ['alice'] }],
    templates: [
      { name: 'fix', command: ['cat'], requires_approval: true, concurrency_key: 'of {{ repository.full_name }}' },
      bound,
      { name: 'stray', command: ['cat'], depends_on: [missing] },
      { name: 'nobodys', command: ['cat'], agent_id: 'nobody' },
    ],
    rules: [
      { on: 'comment', command: 'run', template: 'fix' },
      { on: 'comment', command: 'run', template: 'stray' },
      { on: 'comment', command: 'run', template: 'nobodys' },
    ],
  });
  await addAgent(app.deps.db, 'gpu-agent');
});
afterAll(() => app.stop());

const create = async (body: object) =>
  (await app.call('POST', '/api/v1/tasks', { body: { title: 'Of a template', ...body } })).json;

describe('the templates', () => {
  it('are listed with what may be asked of them, and not with what they do', async () => {
    const viewer = await app.token('viewer');
    const { json } = await app.call('GET', '/api/v1/templates', { token: viewer });
    z.array(z.strictObject(template.shape)).parse(json.items);
    expect(json.next_cursor).toBeNull();
    expect(json.items.map(({ name }: { name: string }) => name)).toEqual(['bound', 'fix', 'nobodys', 'stray']);
    expect(json.items[0]).toEqual({
      name: 'bound',
      description: 'All that a template can say',
      variables: {
        which: { default: 1, description: 'The number of the card' },
        other: { default: null, description: null },
      },
      requires: ['gpu'],
      limits: LIMITS,
    });
  });

  it('come in pages', async () => {
    const first = (await app.call('GET', '/api/v1/templates?limit=3')).json;
    const rest = (await app.call('GET', `/api/v1/templates?limit=3&cursor=${first.next_cursor}`)).json;
    expect([...first.items, ...rest.items].map(({ name }) => name)).toEqual(['bound', 'fix', 'nobodys', 'stray']);
    expect(rest.next_cursor).toBeNull();
    expect((await app.call('GET', '/api/v1/templates?cursor=x')).json).toMatchObject({ errors: [{ field: 'cursor' }] });
    const agent = await app.agent('reader');
    expect((await app.call('GET', '/api/v1/templates', { token: agent.token })).status).toBe(403);
  });
});

describe('a task of a template', () => {
  it('has everything that the template says', async () => {
    const { name, description: _, variables: __, agent_id: ___, ...says } = bound;
    const made = await create({ template: name, variables: { which: 2 } });
    expect(made).toMatchObject({
      ...says,
      template: 'bound',
      priority: 5,
      input: null,
      named_agent_id: 'gpu-agent',
      run_after: '2099-01-01T00:00:00.000000Z',
      concurrency_key: 'gpu 2',
    });
  });

  it('has what was asked in its place, though it be nothing', async () => {
    const asked = {
      body: null,
      input: 'text',
      environment: { LANG: 'de', A: '1' },
      requires: ['linux'],
      priority: 0,
      execution_mode: 'undecided',
      timeout_seconds: 1,
      run_after: null,
      on_dependency_failure: 'wait',
      requires_approval: false,
      concurrency_key: null,
      max_retries: 0,
      max_infra_retries: 0,
      retry_delay_seconds: 0,
      preemptible: true,
      repeatable: true,
      sandbox: 'none',
      output_schema: null,
      repository: null,
    };
    expect(await create({ template: 'bound', ...asked, limits: { processes: 1 } })).toMatchObject({
      ...asked,
      execution_mode: 'http_pull',
      requested_mode: 'undecided',
      requires: ['gpu', 'linux'],
      input_base64: null,
      limits: { cpu_percent: null, memory_bytes: null, processes: 1, file_size_bytes: null, cost_usd: null },
    });
  });

  it('that a delivery makes has them too; one that names what there is not fails alone, and says so', async () => {
    const run = recorded('v15', 'alice comments: /run fix this please');
    const body = run.body;
    const headers: Record<string, string> = Object.fromEntries(
      run.headers.map(([name, value]): [string, string] => [name.toLowerCase(), value]),
    );
    for (const name of ['host', 'content-length', 'connection', 'accept-encoding']) delete headers[name];
    headers['x-forgejo-signature'] = createHmac('sha256', RECORDED_SECRET).update(body).digest('hex');
    const { json } = await app.call('POST', '/webhooks/forgejo/main', { token: null, headers, body });
    expect(json).toMatchObject({ decision: 'task_created', task_ids: [expect.any(String)] });
    expect((await app.call('GET', `/api/v1/tasks/${json.task_ids[0]}`)).json).toMatchObject({
      template: 'fix',
      requires_approval: true,
      concurrency_key: 'of alice/widgets',
      repository: 'main:alice/widgets',
      waiting_reason: 'approval',
    });
  });
});
