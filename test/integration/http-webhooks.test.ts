import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { accepted, delivery, deliveryInFull } from '../../src/contract/delivery.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET, type Recording, recorded } from '../support/recordings.ts';

const forge = (name: string, secrets = [RECORDED_SECRET]) => ({
  name,
  url: RECORDED_FORGE_URL,
  webhook_secrets: secrets,
});
const templates = [{ name: 'fix', command: ['cat'], input: '{{ issue.title }}' }];

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    forges: [forge('main', ['an-older-secret', RECORDED_SECRET]), forge('second')],
    templates,
  });
});
afterAll(() => app.stop());
beforeEach(async () => {
  for (const table of ['effects', 'issue_state', 'deliveries'] as const)
    await app.database.db.deleteFrom(table).execute();
});

const run = recorded('v15', 'alice comments: /run fix this please');
const label = recorded('v15', 'alice opens an issue with the label agent:run set at creation', 'issue_label');

type Changes = { headers?: Record<string, string | null>; body?: string; path?: string };

function deliver(recording: Recording, { headers = {}, body, path = '/webhooks/forgejo/main' }: Changes = {}) {
  const sent = Object.fromEntries(recording.headers.map(([name, value]) => [name.toLowerCase(), value]));
  for (const [name, value] of Object.entries(headers)) {
    if (value === null) delete sent[name];
    else sent[name] = value;
  }
  for (const name of ['host', 'content-length', 'connection', 'accept-encoding']) delete sent[name];
  return app.call(recording.method, path, { token: null, headers: sent, body: body ?? recording.body });
}
const stored = async () => (await app.call('GET', '/api/v1/deliveries')).json.items;

describe('a signed delivery', () => {
  it('is stored, decided on and answered 202 with the task that it made', async () => {
    const answer = await deliver(run);
    expect(answer.status).toBe(202);
    const told = z.strictObject(accepted.shape).parse(answer.json);
    expect(told).toMatchObject({ decision: 'task_created', task_ids: [expect.any(String)] });
    const { json: task } = await app.call('GET', `/api/v1/tasks/${told.task_ids[0]}`);
    expect(task).toMatchObject({
      status: 'pending',
      execution_mode: 'undecided',
      template: 'fix',
      created_by: { kind: 'forge', id: 'main', name: 'alice' },
      repository: 'main:alice/widgets',
      source: { forge: 'main', event: 'issue_comment', sender: 'alice', delivery_id: told.delivery_id },
    });
  });

  it('can be read again with its headers, its body and what each rule said', async () => {
    const { delivery_id } = (await deliver(run)).json;
    const { json: full } = await app.call('GET', `/api/v1/deliveries/${delivery_id}`);
    z.strictObject(deliveryInFull.shape).parse(full);
    expect(full).toMatchObject({ forge: 'main', event_type: 'issue_comment', sender: 'alice', body_encoding: 'utf-8' });
    expect(full.body).toBe(run.body);
    expect(full.headers['x-forgejo-event']).toBe('issue_comment');
    expect(full.rules.some((rule: { matched: boolean }) => rule.matched)).toBe(true);
  });

  it('that comes twice, or by another webhook, makes one task', async () => {
    const first = (await deliver(run)).json;
    const again = (await deliver(run, { headers: { 'x-forgejo-delivery': crypto.randomUUID() } })).json;
    expect(again).toMatchObject({ decision: 'merged', task_ids: first.task_ids });
    const items = await stored();
    z.array(z.strictObject(delivery.shape)).parse(items);
    expect(items).toMatchObject([{ duplicate_of: first.delivery_id }, { duplicate_of: null }]);
  });

  it('by the label that is newly present makes a task', async () => {
    expect((await deliver(label)).json.decision).toBe('task_created');
  });

  it('is found by its repository, its decision, its task and what the forge calls it', async () => {
    const { task_ids, delivery_id } = (await deliver(run)).json;
    const found = async (query: string) => {
      const { json } = await app.call('GET', `/api/v1/deliveries?${query}`);
      return json.items.map((one: { id: string }) => one.id);
    };
    expect(await found(`task_id=${task_ids[0]}`)).toEqual([delivery_id]);
    expect(await found('decision=task_created&repository=alice/widgets')).toEqual([delivery_id]);
    expect(await found('decision=ignored')).toEqual([]);
    const [, uuid] = run.headers.find(([name]) => /^x-forgejo-delivery$/i.test(name)) ?? [];
    expect(await found(`forge_uuid=${uuid}`)).toEqual([delivery_id]);
    expect(await found('forge_uuid=another')).toEqual([]);
  });

  it('is listed newest first in pages', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push((await deliver(run)).json.delivery_id);
    const page = async (query: string) => (await app.call('GET', `/api/v1/deliveries?${query}`)).json;
    const first = await page('limit=2');
    const second = await page(`limit=2&cursor=${first.next_cursor}`);
    expect([...first.items, ...second.items].map(({ id }: { id: string }) => id)).toEqual(ids.toReversed());
    expect(second.next_cursor).toBeNull();
    expect((await app.call('GET', `/api/v1/deliveries/${crypto.randomUUID()}`)).status).toBe(404);
  });

  it('of a sender who is not trusted is ignored with that reason', async () => {
    const { json } = await deliver(recorded('v15', 'mallory (no write access) comments: /run mine bitcoin'));
    expect(json).toMatchObject({ decision: 'ignored', task_ids: [] });
    expect(json.reason).toMatch(/mallory/);
  });
});

describe('a delivery that is not signed right', () => {
  const signed = (body: string, secret: string) => createHmac('sha256', secret).update(body).digest('hex');
  const right = signed(run.body, RECORDED_SECRET);
  const cases: [what: string, changes: Changes][] = [
    ['no signature', { headers: { 'x-forgejo-signature': null } }],
    ['an empty one', { headers: { 'x-forgejo-signature': '' } }],
    ['one of another secret', { headers: { 'x-forgejo-signature': signed(run.body, 'guessed') } }],
    ['one of an empty secret', { headers: { 'x-forgejo-signature': signed(run.body, '') } }],
    ['a short one', { headers: { 'x-forgejo-signature': right.slice(0, 32) } }],
    ['one with a prefix', { headers: { 'x-forgejo-signature': `sha256=${right}` } }],
    ['two', { headers: { 'x-forgejo-signature': `${right}, ${right}` } }],
    ['one under another name only', { headers: { 'x-forgejo-signature': null, 'x-gitea-signature': right } }],
    ['one of another body', { body: `${run.body} ` }],
  ];
  it.each(cases)('is refused and not stored: %s', async (_what, changes) => {
    const { status, json } = await deliver(run, changes);
    expect([status, json.code]).toEqual([401, 'signature_invalid']);
    expect(await stored()).toEqual([]);
  });

  it('needs no token when it is signed right, and no token replaces the signature', async () => {
    const body = run.body;
    const { status } = await app.call('POST', '/webhooks/forgejo/main', {
      body,
      headers: { 'Content-Type': 'application/json' },
    });
    expect(status).toBe(401);
  });
});

describe('a delivery to the wrong place', () => {
  it('is refused: a forge that there is not, or none where there are two', async () => {
    for (const path of ['/webhooks/forgejo/third', '/webhooks/forgejo']) {
      const { status, json } = await deliver(run, { path });
      expect([status, json.code]).toEqual([404, 'unknown_forge']);
    }
    expect(await stored()).toEqual([]);
  });

  it('is refused as a form, however it is signed', async () => {
    const { status, json } = await deliver(run, { headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    expect([status, json.code]).toEqual([415, 'unsupported_media_type']);
    expect(await stored()).toEqual([]);
  });

  it('is refused when it is too large', async () => {
    const { status } = await deliver(run, { body: ' '.repeat(8 * 1024 * 1024 + 1) });
    expect(status).toBe(413);
  });

  it('may leave out the name of the only forge', async () => {
    const alone = await startTestApp({ forges: [forge('main')], templates });
    const headers = Object.fromEntries(run.headers.filter(([name]) => /^(content-type|x-)/i.test(name)));
    const { status } = await alone.call('POST', '/webhooks/forgejo', { token: null, headers, body: run.body });
    expect(status).toBe(202);
    await alone.stop();
  });
});
