import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { openTransactionsEnd } from '../support/open-transactions.ts';
import { waitFor } from '../support/wait-for.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const create = async (title: string): Promise<string> => {
  const { json } = await app.call('POST', '/api/v1/tasks', { body: { title, command: ['true'] } });
  return json.id;
};
const list = async (query = '') => {
  await openTransactionsEnd(app.deps.db);
  return app.call('GET', `/api/v1/events${query}`);
};

async function follow(on: TestApp, query = '', headers: Record<string, string> = {}) {
  const hangUp = new AbortController();
  onTestFinished(() => hangUp.abort());
  const response = await on.fetch('GET', `/api/v1/events?follow=1${query}`, { headers, signal: hangUp.signal });
  const seen = { headers: response.headers, text: '', ended: false, hangUp };
  const take = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) seen.text += decoder.decode(chunk, { stream: true });
    seen.ended = true;
  };
  take().catch(() => {});
  return seen;
}

describe('the list of all events', () => {
  it('is in the order of their numbers, from one on, in pages', async () => {
    const ids = [await create('a'), await create('b'), await create('c')];
    const first = await list('?limit=2');
    const rest = await list(`?cursor=${first.json.next_cursor}`);
    const all = [...first.json.items, ...rest.json.items];
    expect([first.json.items.length, rest.json.next_cursor]).toEqual([2, null]);
    expect(all.map(({ task_id }) => task_id)).toEqual(ids);
    expect(all.map(({ sequence }) => sequence)).toEqual(all.map(({ sequence }) => sequence).toSorted((a, b) => a - b));
    const later = await list(`?after=${all[1].sequence}`);
    expect(later.json.items).toEqual([all[2]]);
  });

  it('has each event as its task has it, with the hash before', async () => {
    const id = await create('cancelled');
    await app.call('POST', `/api/v1/tasks/${id}/cancel`, { body: {} });
    const { json: own } = await app.call('GET', `/api/v1/tasks/${id}/events`);
    const { json: all } = await list(`?after=${own.items[0].sequence - 1}`);
    expect(all.items).toEqual(own.items);
    expect(all.items[1].previous_hash).toBe(all.items[0].hash);
  });

  it.each(['?after=-1', '?after=x', '?cursor=x', '?limit=201', '?whatever=1'])('refuses %s', async (query) => {
    expect((await list(query)).json.code).toBe('invalid');
  });

  it('is not for agents', async () => {
    const { token } = await app.agent('curious');
    expect((await app.call('GET', '/api/v1/events', { token })).status).toBe(403);
  });
});

describe('following all events', () => {
  it('begins now, and brings each as it comes', async () => {
    await create('before');
    const seen = await follow(app);
    expect(seen.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const id = await create('after');
    await waitFor(() => seen.text.includes('\n\n'));
    const { json } = await app.call('GET', `/api/v1/tasks/${id}/events`);
    const [event] = json.items;
    expect(seen.text).toBe(`id: ${event.sequence}\nevent: created\ndata: ${JSON.stringify(event)}\n\n`);
  });

  it('goes on after the last event that its reader had, or from the first', async () => {
    const ids = [await create('one'), await create('two')];
    const { json } = await app.call('GET', `/api/v1/tasks/${ids[0]}/events`);
    const [{ sequence }] = json.items;
    const resumed = await follow(app, '&after=0', { 'Last-Event-ID': String(sequence) });
    const whole = await follow(app, '', { 'Last-Event-ID': '0' });
    const last = `"task_id":"${ids[1]}"`;
    await waitFor(() => resumed.text.includes(last) && whole.text.includes(last));
    expect(resumed.text.startsWith(`id: ${sequence + 1}\n`)).toBe(true);
    const everything = await list('?limit=200');
    const told = [...whole.text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    expect(told).toEqual(everything.json.items.map((event: { sequence: number }) => event.sequence));
  });

  it('refuses to go on after something that is no event', async () => {
    const { status, json } = await app.call('GET', '/api/v1/events?follow=1', { headers: { 'Last-Event-ID': 'x' } });
    expect([status, json.errors[0].field]).toEqual([422, 'Last-Event-ID']);
  });

  it('is over when its reader hangs up, and when the server stops', async () => {
    const other = await startTestApp();
    onTestFinished(() => other.stop());
    const [gone, staying] = [await follow(other), await follow(other)];
    expect(other.feed.followers()).toBe(2);
    gone.hangUp.abort();
    await waitFor(() => other.feed.followers() === 1);
    other.beginToStop();
    await waitFor(() => staying.ended && other.feed.followers() === 0);
  });
});
