import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { browse, textOf } from '../support/browse.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../support/recordings.ts';

const delivery = recorded('v15', 'alice comments: /run fix this please');
let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    forges: [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] }],
    templates: [{ name: 'build', command: ['true'] }],
  });
});
afterAll(() => app.stop());

const send = (body: string) => {
  const headers = Object.fromEntries(delivery.headers.filter(([name]) => /^(?:content-type|x-)/i.test(name)));
  return app.call('POST', '/webhooks/forgejo/main', { token: null, headers, body });
};
const firstPage = async (token: string) => {
  const browser = browse(app);
  await browser.signIn(token);
  return textOf((await browser.get('/')).text);
};

it('forged deliveries leave no row, only a count that the first page shows to who may see all', async () => {
  const viewer = await app.token('viewer');
  expect(await firstPage(viewer)).not.toContain('wrong signature');
  for (let n = 0; n < 3; n++) expect((await send(`${delivery.body} `)).status).toBe(401);
  // While there is no task, and when there is one.
  expect(await firstPage(viewer)).toContain('3 deliveries to main lately had a wrong signature');
  expect((await send(delivery.body)).status).toBe(202);
  expect(await firstPage(viewer)).toContain('3 deliveries to main lately had a wrong signature');

  const { rows } = await sql<{ n: number }>`select count(*)::int as n from deliveries`.execute(app.database.db);
  expect(rows).toEqual([{ n: 1 }]);
  const body = { name: 'bound', scope: 'viewer', repositories: ['main:alice/*'] };
  const bound = (await app.call('POST', '/api/v1/tokens', { body })).json.token;
  expect(await firstPage(bound)).not.toContain('wrong signature');
});
