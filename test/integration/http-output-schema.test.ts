import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let app: TestApp;
let agent: { id: string; token: string };
beforeAll(async () => {
  app = await startTestApp();
  agent = await app.agent('judge', [], 100);
});
afterAll(() => app.stop());

const schema = { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] };
const create = (body: object) =>
  app.call('POST', '/api/v1/tasks', { body: { title: 'Count', command: ['count'], agent_id: agent.id, ...body } });

async function endedWith(task: object, said: object) {
  const made = (await create(task)).json;
  const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token, body: {} });
  const { id } = json.tasks[0].attempt;
  const ended = await app.call('POST', `/api/v1/attempts/${id}/complete`, { token: agent.token, body: said });
  const again = await app.call('POST', `/api/v1/attempts/${id}/complete`, { token: agent.token, body: said });
  expect(again.json).toEqual(ended.json);
  return (await app.call('GET', `/api/v1/tasks/${made.id}`)).json;
}

it.each([{ type: 'objekt' }, { $ref: 'https://example.org/x' }])(
  'a schema that can not be used is refused when the task is made: %j',
  async (output_schema) => {
    const { status, json } = await create({ output_schema });
    expect(status).toBe(422);
    expect(json).toMatchObject({ code: 'invalid', errors: [{ field: 'output_schema' }] });
  },
);

it('an output that fits its schema completes the task', async () => {
  const done = await endedWith({ output_schema: schema }, { outcome: 'completed', output: { count: 3 } });
  expect(done).toMatchObject({ status: 'completed', output_schema: schema, result: { output: { count: 3 } } });
});

it.each([
  [{ count: 'three' }, "the output's /count does not satisfy the schema: must be integer"],
  [null, 'the output does not satisfy the schema: must be object'],
])('an output that does not fit fails the task, and says where: %j', async (output, error) => {
  const done = await endedWith({ output_schema: schema }, { outcome: 'completed', exit_code: 0, output });
  expect(done).toMatchObject({
    status: 'failed',
    result: { outcome: 'failed', failure_class: 'output', error, output },
  });
});

it('a failed attempt may leave any output', async () => {
  const done = await endedWith({ output_schema: schema }, { outcome: 'failed', exit_code: 3, output: 'no' });
  expect(done).toMatchObject({ status: 'failed', result: { failure_class: 'exit', output: 'no' } });
});

it('an output that does not fit is tried again as a command that fails is', async () => {
  const task = { output_schema: schema, max_retries: 1 };
  const again = await endedWith(task, { outcome: 'completed', output: {} });
  expect(again).toMatchObject({ status: 'pending', retries: 1, infra_retries: 0 });
});

it('outputs that take for ever to judge fail one by one, and keep nobody waiting', async () => {
  const slow = { output_schema: { type: 'string', pattern: '^(a+)+$' } };
  const bodies = [...Array(10).keys()].map(() => slow);
  for (const body of [...bodies, {}]) await create(body);
  const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token, body: { max_tasks: 11 } });
  const items = json.tasks.map(({ attempt }: { attempt: { id: string } }) => ({
    attempt_id: attempt.id,
    outcome: 'completed',
    output: `${'a'.repeat(60)}!`,
  }));
  const answered: string[] = [];
  const complete = async (some: { attempt_id: string }[], what: string) => {
    const body = { items: some };
    const said = await app.call('POST', '/api/v1/attempts/complete', { token: agent.token, body });
    answered.push(what);
    return said.json.items.map((item: { task_status: string }) => item.task_status);
  };
  const judged = json.tasks.map((task: { output_schema: unknown }) => task.output_schema !== null);
  const slowOnes = complete(
    items.filter((_: unknown, at: number) => judged[at]),
    'slow',
  );
  const plainOne = complete(
    items.filter((_: unknown, at: number) => !judged[at]),
    'plain',
  );
  expect(await plainOne).toEqual(['completed']);
  expect(await slowOnes).toEqual(Array(10).fill('failed'));
  expect(answered).toEqual(['plain', 'slow']);
});
