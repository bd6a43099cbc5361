import { randomUUID, randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, startTestApp, type TestApp } from '../support/app.ts';

let app: TestApp;
let other: TestApp;
beforeAll(async () => {
  app = await startTestApp();
  other = await startTestApp({ beside: app });
});
afterAll(async () => {
  await other.stop();
  await app.stop();
});

type Asked = { key?: string; token?: string; at?: TestApp };
const create = (body: unknown, { key, token, at = app }: Asked = {}): Promise<Answer> =>
  at.call('POST', '/api/v1/tasks', {
    body,
    ...(key === undefined ? {} : { headers: { 'Idempotency-Key': key } }),
    ...(token === undefined ? {} : { token }),
  });
const task = (more: object = {}) => ({ title: 'Once', command: ['true'], ...more });
const replayed = ({ headers }: Answer) => headers.get('idempotency-replayed');
const tasksTitled = async (title: string): Promise<number> =>
  (await app.deps.db.selectFrom('tasks').select('id').where('title', '=', title).execute()).length;
const fifty = <T>(make: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: 50 }, (_, n) => make(n)));
const replicaOf = (n: number) => (n % 2 === 0 ? app : other);

describe('a request with a key', () => {
  it('has one effect, though it comes fifty times at once to two replicas', async () => {
    const title = randomUUID();
    const answers = await fifty((n) => create(task({ title }), { key: title, at: replicaOf(n) }));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1);
    expect(answers.filter((answer) => replayed(answer) === null)).toHaveLength(1);
    expect(answers.filter((answer) => replayed(answer) === 'true')).toHaveLength(49);
    expect(await tasksTitled(title)).toBe(1);
    const { json } = await app.call('GET', `/api/v1/tasks/${answers[0]?.json.id}/events`);
    expect(json.items.map(({ type }: { type: string }) => type)).toEqual(['created']);
  });

  it('makes one list of several, however often it comes', async () => {
    const title = randomUUID();
    const body = [task({ title }), task({ title }), task({ title })];
    const answers = await fifty((n) => create(body, { key: title, at: replicaOf(n) }));
    expect(
      new Set(answers.map(({ json }) => JSON.stringify(json.items.map(({ id }: { id: string }) => id)))).size,
    ).toBe(1);
    expect(await tasksTitled(title)).toBe(3);
  });

  it('is answered again with the task as it is now, whatever the order of its fields', async () => {
    const key = randomUUID();
    const first = await create({ title: 'Again', command: ['true'], priority: 4 }, { key });
    await app.call('POST', `/api/v1/tasks/${first.json.id}/cancel`, { body: {} });
    const again = await create({ priority: 4, command: ['true'], title: 'Again' }, { key, at: other });
    expect([again.status, replayed(again)]).toEqual([201, 'true']);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(again.json).toMatchObject({ id: first.json.id, status: 'cancelled' });
  });

  it('and another body is refused, and makes nothing', async () => {
    const key = randomUUID();
    await create(task(), { key });
    const title = randomUUID();
    for (const body of [task({ title }), [task({ title })], [task()]]) {
      const { status, json } = await create(body, { key });
      expect([status, json.code]).toEqual([409, 'idempotency_conflict']);
    }
    expect(await tasksTitled(title)).toBe(0);
  });

  it('of which one half has another body has one effect, and refuses the other half', async () => {
    const key = randomUUID();
    const [one, two] = [randomUUID(), randomUUID()];
    const answers = await fifty((n) => create(task({ title: n % 4 < 2 ? one : two }), { key, at: replicaOf(n) }));
    expect([(await tasksTitled(one)) + (await tasksTitled(two))]).toEqual([1]);
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([201, 409]));
    expect(new Set(answers.filter(({ status }) => status === 201).map(({ json }) => json.id)).size).toBe(1);
  });

  it('that was refused may come again with what is right', async () => {
    const key = randomUUID();
    expect((await create(task({ depends_on: [randomUUIDv7()] }), { key })).status).toBe(422);
    expect((await create(task({ priority: 11 }), { key })).status).toBe(422);
    const made = await create(task(), { key });
    expect([made.status, replayed(made)]).toEqual([201, null]);
  });

  it('shares it with nobody: a key belongs to who asks', async () => {
    const key = randomUUID();
    const [alice, bob] = [await app.token('coordinator'), await app.token('coordinator')];
    const first = await create(task(), { key, token: alice });
    const second = await create(task({ title: 'Of bob' }), { key, token: bob });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json.id).not.toBe(first.json.id);
    expect((await create(task(), { key, token: alice })).json.id).toBe(first.json.id);
  });

  it.each([
    ['k'.repeat(255), 201],
    ['k'.repeat(256), 422],
  ])('has at most 255 characters in it: %#', async (key, status) => {
    const answer = await create(task(), { key });
    expect(answer.status).toBe(status);
    if (status === 422) expect(answer.json.errors).toMatchObject([{ field: 'idempotency-key' }]);
  });
});

describe('a task whose caller chose the id', () => {
  it('is made once, though it comes fifty times at once to two replicas', async () => {
    const id = randomUUIDv7();
    const answers = await fifty((n) => create(task({ id }), { at: replicaOf(n) }));
    expect(new Set(answers.map(({ json }) => json.id))).toEqual(new Set([id]));
    expect(answers.filter((answer) => answer.status === 201 && replayed(answer) === null)).toHaveLength(1);
    expect(answers.filter((answer) => answer.status === 200 && replayed(answer) === 'true')).toHaveLength(49);
  });

  it('is refused with another body, and keeps what it was', async () => {
    const id = randomUUIDv7();
    await create(task({ id }));
    const { status, json } = await create(task({ id, title: 'Another' }));
    expect([status, json.code]).toEqual([409, 'idempotency_conflict']);
    expect((await app.call('GET', `/api/v1/tasks/${id}`)).json.title).toBe('Once');
  });

  it('is no way to somebody else, nor to a task of which the server chose the id', async () => {
    const { json } = await create(task());
    expect((await create(task({ id: json.id }))).json.code).toBe('idempotency_conflict');
  });

  it('may depend on others of the same request, in any order', async () => {
    const [a, b, c] = [randomUUIDv7(), randomUUIDv7(), randomUUIDv7()];
    const body = [task({ id: a, depends_on: [b, c] }), task({ id: b, depends_on: [c] }), task({ id: c })];
    const made = await create(body);
    expect(made.json.items.map((one: { unmet_dependencies: number }) => one.unmet_dependencies)).toEqual([2, 1, 0]);
    const again = await create(body, { at: other });
    expect([again.status, replayed(again)]).toEqual([200, 'true']);
    expect((await create([...body, task()])).json).toMatchObject({
      code: 'idempotency_conflict',
      detail: 'Some of these tasks were made before, the others were not.',
    });
  });

  it('may not wait for itself, nor stand twice in a request', async () => {
    const [a, b] = [randomUUIDv7(), randomUUIDv7()];
    const circle = await create([task({ id: a, depends_on: [b] }), task({ id: b, depends_on: [a] })]);
    expect([circle.status, circle.json.code]).toEqual([422, 'dependency_cycle']);
    expect((await create(task({ id: a, depends_on: [a] }))).json.code).toBe('dependency_cycle');
    const twice = await create([task({ id: a }), task({ id: a })]);
    expect([twice.status, twice.json.code]).toEqual([422, 'invalid']);
    expect(twice.json.errors).toMatchObject([{ field: '1.id' }]);
    expect((await app.call('GET', `/api/v1/tasks/${a}`)).status).toBe(404);
  });
});
