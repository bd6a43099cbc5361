import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { type Browsing, browse, textOf } from '../support/browse.ts';

let app: TestApp;
let browser: Browsing;
let mine: string;
let hers: string;
beforeAll(async () => {
  app = await startTestApp();
  const create = async (title: string, repository: string) =>
    (await app.call('POST', '/api/v1/tasks', { body: { title, command: ['true'], repository } })).json.id;
  mine = await create('Paint the fence', 'main:alice/widgets');
  hers = await create('Hide the treasure', 'main:bob/secret');
  await create('Bury the gold', 'main:bob/secret');
  const body = { name: 'bound', scope: 'coordinator', repositories: ['main:alice/*'] };
  browser = browse(app);
  await browser.signIn((await app.call('POST', '/api/v1/tokens', { body })).json.token);
});
afterAll(() => app.stop());

it('who may see some repositories only finds their tasks on the first page, and counts of these', async () => {
  const page = await browser.get('/');
  expect(page.status).toBe(200);
  const text = textOf(page.text);
  expect(text).toContain('Paint the fence');
  expect(text).not.toMatch(/treasure|gold|bob/);
  const everybody = browse(app);
  await everybody.signIn(await app.token('viewer'));
  const counted = (said: string) => Number(/Pending\D{0,20}(\d+)/i.exec(textOf(said))?.[1]);
  expect([counted(page.text), counted((await everybody.get('/')).text)]).toEqual([1, 3]);
});

it('and no page, log, stream or form of any other', async () => {
  expect((await browser.get(`/tasks/${mine}`)).status).toBe(200);
  for (const path of ['', '/live', '/log', '/cancel']) {
    const { status, text } = await browser.get(`/tasks/${hers}${path}`);
    expect([path, status]).toEqual([path, 404]);
    expect(text).not.toContain('treasure');
  }
  const form = await browser.get(`/tasks/${mine}/cancel`);
  const token = /name="form_token" value="([^"]+)"/.exec(form.text)?.[1] ?? '';
  expect((await browser.submit(form, `/tasks/${hers}/cancel`, { form_token: token })).status).toBe(404);
  expect((await app.call('GET', `/api/v1/tasks/${hers}`)).json.status).toBe('pending');
});

it('and hears live of its tasks alone', async () => {
  const reading = new AbortController();
  const live = await browser.open('/live', {}, reading.signal);
  await app.call('POST', `/api/v1/tasks/${hers}/cancel`, { body: {} });
  await app.call('POST', `/api/v1/tasks/${mine}/cancel`, { body: {} });
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of live.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (/cancelled/i.test(text) && text.includes(mine)) break;
  }
  reading.abort();
  expect(text).not.toMatch(/treasure|gold/);
});
