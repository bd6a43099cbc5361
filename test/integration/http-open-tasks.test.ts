import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../support/recordings.ts';

const repository = 'main:alice/widgets';
const settings = { limits: { maxOpenPerRepository: 2 } };

let app: TestApp;
let other: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    settings,
    forges: [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] }],
    templates: [{ name: 'fix', command: ['cat'] }],
  });
  other = await startTestApp({ settings, beside: app });
});
afterEach(async () => {
  for (const { id } of await open()) await app.call('POST', `/api/v1/tasks/${id}/cancel`);
});
afterAll(async () => {
  await other.stop();
  await app.stop();
});

const wish = { title: 'any', command: ['true'], repository };
const create = (body: unknown = wish, on = app) => on.call('POST', '/api/v1/tasks', { body });
const open = async (): Promise<{ id: string }[]> =>
  (await app.call('GET', `/api/v1/tasks?status=pending&repository=${repository}`)).json.items;

it('a task too many of a repository is refused until one of the others has ended', async () => {
  const [first] = (await create([wish, wish])).json.items;
  const refused = await create();
  expect([refused.status, refused.json.code]).toEqual([429, 'rate_limited']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await create({ ...wish, repository: 'main:alice/other' })).status).toBe(201);
  expect((await create({ title: 'of none', command: ['true'] })).status).toBe(201);
  await app.call('POST', `/api/v1/tasks/${first.id}/cancel`);
  expect((await create()).status).toBe(201);
});

it('of several that are too many together none is made', async () => {
  expect((await create([wish, wish, wish])).status).toBe(429);
  expect(await open()).toEqual([]);
});

it('a request that is repeated under its key is answered though there is no room by now', async () => {
  const headers = { 'Idempotency-Key': 'again' };
  const ask = () => app.call('POST', '/api/v1/tasks', { body: [wish, wish], headers });
  const made = await ask();
  const again = await ask();
  expect(again.status).toBe(201);
  expect(again.json.items.map((task: { id: string }) => task.id)).toEqual(
    made.json.items.map((task: { id: string }) => task.id),
  );
});

it('of many that come at once on two replicas as many are made as there may be', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => create(wish, n % 2 === 0 ? app : other)));
  const statuses = answers.map(({ status }) => status).sort();
  expect(statuses).toEqual([201, 201, ...Array.from({ length: 18 }, () => 429)]);
  expect(await open()).toHaveLength(2);
});

it('a delivery for which there is no room is ignored with that reason', async () => {
  const { headers, method, body } = recorded('v15', 'alice comments: /run fix this please');
  const skipped = ['host', 'content-length', 'connection', 'accept-encoding'];
  const sent = Object.fromEntries(headers.filter(([name]) => !skipped.includes(name.toLowerCase())));
  const deliver = () => app.call(method, '/webhooks/forgejo/main', { token: null, headers: sent, body });
  await create([wish, wish]);
  const { status, json } = await deliver();
  expect(status).toBe(202);
  expect(json).toMatchObject({ decision: 'ignored', task_ids: [] });
  expect(json.reason).toMatch(/^rate_limited: 2 tasks of main:alice\/widgets are open/);
});
