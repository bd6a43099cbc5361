import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { failed } from '../support/tasks.ts';
import { type WorkedTask, workOn } from '../support/worked-task.ts';

let app: TestApp;
let worked: WorkedTask;
beforeAll(async () => {
  app = await startTestApp();
  worked = await workOn(app.deps, { maxRetries: 2, retryDelaySeconds: 0 });
  for (let run = 1; run <= 3; run++) {
    await worked.take();
    await worked.start();
    await worked.end(failed('exit', run));
  }
});
afterAll(() => app.stop());

/** Everything that a list answers when it is read in pages of this size, by its own cursors. */
async function inPages<T>(path: string, limit: number): Promise<T[][]> {
  const pages: T[][] = [];
  for (let cursor = ''; ; ) {
    const { json } = await app.call('GET', `${path}?limit=${limit}${cursor && `&cursor=${cursor}`}`);
    pages.push(json.items);
    if (json.next_cursor === null) return pages;
    cursor = json.next_cursor;
  }
}

describe('the history of a task', () => {
  it('has its attempts in pages, each one once and in order', async () => {
    const pages = await inPages<{ number: number; exit_code: number }>(`/api/v1/tasks/${worked.task.id}/attempts`, 2);
    expect(pages.map((page) => page.map(({ number, exit_code }) => [number, exit_code]))).toEqual([
      [
        [1, 1],
        [2, 2],
      ],
      [[3, 3]],
    ]);
  });

  it('has its events in pages, each one once and in order', async () => {
    const path = `/api/v1/tasks/${worked.task.id}/events`;
    const whole = (await inPages<object>(path, 200)).flat();
    expect((await inPages<object>(path, 3)).flat()).toEqual(whole);
    expect(whole.length).toBeGreaterThan(9);
  });
});

const cursorOf = (position: unknown) => Buffer.from(JSON.stringify(position)).toString('base64url');

describe('a cursor that no list has answered with', () => {
  const id = crypto.randomUUID();
  const key = '2026-01-01T00:00:00.000000Z';
  it.each([
    ['attempts', 'a text', cursorOf('1')],
    ['attempts', 'a number that is none of ours', cursorOf(1.5)],
    ['attempts', 'no JSON', 'abc'],
    ['list', 'a number', cursorOf(7)],
    ['list', 'nothing', cursorOf(null)],
    ['list', 'of another order', cursorOf({ sort: 'rank', waiting: false, key, id })],
    ['list', 'with a key that is no time', cursorOf({ sort: 'newest', waiting: false, key: "'; drop", id })],
    ['list', 'with an id that is none', cursorOf({ sort: 'newest', waiting: false, key, id: 'x' })],
    ['list', 'without what it needs', cursorOf({})],
  ])('is refused by the %s: %s', async (list, _, cursor) => {
    const path = list === 'list' ? '/api/v1/tasks' : `/api/v1/tasks/${worked.task.id}/attempts`;
    const answer = await app.call('GET', `${path}?cursor=${cursor}`);
    expect(answer).toMatchObject({ status: 422, json: { code: 'invalid', errors: [{ field: 'cursor' }] } });
  });
});

describe('what there is not', () => {
  const nobody = crypto.randomUUID();
  it.each([
    ['PATCH', '/api/v1/agents/nobody', { capacity: 2 }],
    ['GET', `/api/v1/attempts/${nobody}/log/stdout`, undefined],
    ['GET', `/api/v1/tasks/${nobody}`, undefined],
    ['POST', `/api/v1/tasks/${nobody}/assign`, { agent_id: 'agent-1' }],
    ['POST', `/api/v1/tasks/${nobody}/cancel`, {}],
  ])('is not found by %s %s', async (method, path, body) => {
    expect(await app.call(method, path, { body })).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });
});

describe('a task for an agent by its name', () => {
  const create = (body: object) =>
    app.call('POST', '/api/v1/tasks', { body: { title: 'named', command: ['true'], ...body } });

  it('has the mode of that agent, said or not', async () => {
    const { id } = await app.agent('by-name');
    const [said, unsaid] = [
      await create({ agent_id: id, execution_mode: 'http_pull' }),
      await create({ agent_id: id }),
    ];
    for (const { json } of [said, unsaid])
      expect(json).toMatchObject({ execution_mode: 'http_pull', named_agent_id: id });
  });

  it('is refused with the mode of another kind, and nothing is made', async () => {
    const { id } = await app.agent('by-wrong-mode');
    const before = (await app.call('GET', '/api/v1/tasks')).json.items.length;
    const answer = await create({ agent_id: id, execution_mode: 'ssh_cli' });
    expect(answer.status).toBe(400);
    expect((await app.call('GET', '/api/v1/tasks')).json.items.length).toBe(before);
  });
});
