import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { waitFor } from '../support/wait-for.ts';

const KiB = 1024;
let app: TestApp;
let attemptId: string;
let token: string;
let taskId: string;

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());
beforeEach(async () => {
  const agent = await app.agent(crypto.randomUUID());
  await app.call('POST', '/api/v1/tasks', { body: { title: 'log', command: ['true'] } });
  const { json } = await app.call('POST', '/api/v1/tasks/dequeue', { token: agent.token });
  attemptId = json.tasks[0].attempt.id;
  taskId = json.tasks[0].id;
  token = agent.token;
});

const write = (offset: number, body: string | Uint8Array, more = '') =>
  app.call('PUT', `/api/v1/attempts/${attemptId}/log/stdout?offset=${offset}${more}`, {
    token,
    body,
    headers: { 'Content-Type': 'application/octet-stream' },
  });
const read = (more = '', headers: Record<string, string> = {}) =>
  app.call('GET', `/api/v1/attempts/${attemptId}/log/stdout${more}`, { headers });
const complete = () =>
  app.call('POST', `/api/v1/attempts/${attemptId}/complete`, { token, body: { outcome: 'completed' } });

describe('writing a log', () => {
  it('skips what is stored already, whole or in part', async () => {
    expect((await write(0, 'abc')).json.next_offset).toBe(3);
    expect((await write(0, 'abc')).json.next_offset).toBe(3);
    expect((await write(1, 'bcde')).json.next_offset).toBe(5);
    expect((await read()).text).toBe('abcde');
  });

  it('refuses a gap that nobody explains, and says where to go on', async () => {
    await write(0, 'abc');
    const { status, json } = await write(10, 'xyz');
    expect([status, json.code, json.next_offset]).toEqual([409, 'offset_gap', 3]);
    expect((await write(10, 'xyz', '&gap=1')).json.next_offset).toBe(13);
    const log = await read();
    expect(log.text).toBe('abc\n[7 bytes left out]\nxyz');
    expect(log.headers.get('taskejo-log-left-out')).toBe('7');
  });

  it('keeps bytes as they are, whatever they mean', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    await write(0, bytes);
    const response = await app.fetch('GET', `/api/v1/attempts/${attemptId}/log/stdout`);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
  });

  it('needs an attempt that is open', async () => {
    await complete();
    expect((await write(0, 'late')).json.code).toBe('attempt_finished');
  });
});

describe('reading a log', () => {
  it('says how much there is, and whether it is all', async () => {
    await write(0, 'hello');
    const before = await read();
    expect([before.headers.get('taskejo-log-bytes'), before.headers.get('taskejo-log-complete')]).toEqual([
      '5',
      'false',
    ]);
    await complete();
    expect((await read()).headers.get('taskejo-log-complete')).toBe('true');
    expect((await read()).headers.get('content-type')).toBe('text/plain; charset=utf-8');
  });

  const ranges: [range: string, status: number, text: string, contentRange: string | null][] = [
    ['bytes=0-1', 206, 'he', 'bytes 0-1/5'],
    ['bytes=3-', 206, 'lo', 'bytes 3-4/5'],
    ['bytes=-2', 206, 'lo', 'bytes 3-4/5'],
    ['bytes=1-99', 206, 'ello', 'bytes 1-4/5'],
    ['bytes=2-1', 200, 'hello', null],
    ['bytes=0-1,3-4', 200, 'hello', null],
    ['lines=1-2', 200, 'hello', null],
  ];
  it.each(ranges)('honours %s', async (range, status, text, contentRange) => {
    await write(0, 'hello');
    const answer = await read('', { Range: range });
    expect([answer.status, answer.text, answer.headers.get('content-range')]).toEqual([status, text, contentRange]);
  });

  it('refuses a range beyond the end, and says where that is', async () => {
    await write(0, 'hello');
    const answer = await read('', { Range: 'bytes=5-' });
    expect([answer.status, answer.json.code]).toEqual([416, 'range_not_satisfiable']);
    expect(answer.headers.get('content-range')).toBe('bytes */5');
  });

  it('goes on from an offset of what was written', async () => {
    await write(0, 'abc');
    await write(10, 'xyz', '&gap=1');
    expect((await read('?offset=2')).text).toBe('c\n[7 bytes left out]\nxyz');
    expect((await read('?offset=8')).text).toBe('\n[2 bytes left out]\nxyz');
    expect((await read('?offset=12')).text).toBe('z');
    expect((await read('?offset=99')).text).toBe('');
  });

  it('has the beginning and the end of a long one, and a line for what is between', async () => {
    const piece = (letter: string) => letter.repeat(512 * KiB);
    for (const [n, letter] of ['a', 'b', 'c'].entries()) await write(n * 512 * KiB, piece(letter));
    const { text } = await read();
    expect(text === `${piece('a')}\n[${512 * KiB} bytes left out]\n${piece('c')}`).toBe(true);
  });
});

describe('following a log', () => {
  let hangUp: AbortController;
  beforeEach(() => {
    hangUp = new AbortController();
  });
  afterEach(() => hangUp.abort());

  async function follow(headers: Record<string, string> = {}, replica = app) {
    const path = `/api/v1/attempts/${attemptId}/log/stdout?follow=1`;
    const response = await replica.fetch('GET', path, { headers, signal: hangUp.signal });
    const seen = { headers: response.headers, text: '', ended: false };
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) seen.text += decoder.decode(chunk, { stream: true });
      seen.ended = true;
    })();
    reading.catch(() => {});
    return seen;
  }
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  it('answers at once, brings what was there and what comes, and ends with the attempt', async () => {
    await write(0, 'one\n');
    const seen = await follow();
    expect(seen.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    await waitFor(() => seen.text.includes(base64('one\n')));
    expect((await write(4, 'two\n')).json.followed).toBe(true);
    await waitFor(() => seen.text.includes(base64('two\n')));
    await complete();
    await waitFor(() => seen.ended);
    const { json } = await app.call('GET', `/api/v1/attempts/${attemptId}`);
    expect(seen.text).toBe(
      `id: 4\nevent: log\ndata: {"stream":"stdout","offset":0,"base64":"${base64('one\n')}"}\n\n` +
        `id: 8\nevent: log\ndata: {"stream":"stdout","offset":4,"base64":"${base64('two\n')}"}\n\n` +
        `event: end\ndata: {"bytes":8,"sha256":"${json.stdout.sha256}"}\n\n`,
    );
  });

  it('answers at once where nothing was written yet', async () => {
    const seen = await follow();
    expect(seen.headers.get('x-request-id')).toBeTruthy();
    expect(seen.ended).toBe(false);
  });

  it('goes on after the last event that its reader had', async () => {
    await write(0, 'one\n');
    await write(4, 'two\n');
    await complete();
    const seen = await follow({ 'Last-Event-ID': '4' });
    await waitFor(() => seen.ended);
    expect(seen.text).not.toContain(base64('one\n'));
    expect(seen.text).toContain(base64('two\n'));
  });

  const followed = async () => {
    const renewed = await app.call('POST', `/api/v1/attempts/${attemptId}/renew`, { token });
    const beat = { token, body: { attempt_ids: [attemptId] } };
    const beaten = await app.call('POST', '/api/v1/agents/me/heartbeat', beat);
    return [renewed.json.followed, beaten.json.followed];
  };

  it('tells the sender, by every call, while somebody watches', async () => {
    expect(await followed()).toEqual([false, []]);
    await follow();
    await waitFor(async () => (await followed())[0] === true);
    expect(await followed()).toEqual([true, [attemptId]]);
    hangUp.abort();
    await waitFor(async () => (await followed())[0] === false);
  });

  it('tells the sender also where somebody watches on another replica, who gets what is sent here', async () => {
    await using parts = new AsyncDisposableStack();
    const other = parts.adopt(await startTestApp({ beside: app }), (one) => one.stop());
    const seen = await follow({}, other);
    await waitFor(async () => (await followed())[0] === true);
    expect(await followed()).toEqual([true, [attemptId]]);
    expect((await write(0, 'one\n')).json.followed).toBe(true);
    await waitFor(() => seen.text.includes(base64('one\n')));
    hangUp.abort();
  });

  it('is not found for an attempt that there is not', async () => {
    const { status } = await app.call('GET', `/api/v1/attempts/${taskId}/log/stdout?follow=1`);
    expect(status).toBe(404);
  });
});
