import { Hono } from 'hono';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { HttpDeps, HttpEnv } from '../../../src/http/env.ts';
import { eventStream, type ServerEvent } from '../../../src/http/event-stream.ts';

const respond = async (events: AsyncIterable<ServerEvent | null>) =>
  new Hono<HttpEnv>().get('/', (c) => eventStream(c, events)).request('/');

afterEach(() => {
  vi.useRealTimers();
});

describe('a stream of events', () => {
  it('has a line for id, event and data of each', async () => {
    async function* events() {
      yield { event: 'log', data: { text: 'a\nb' }, id: '3' };
      yield { event: 'end', data: null };
    }
    const response = await respond(events());
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(await response.text()).toBe('id: 3\nevent: log\ndata: {"text":"a\\nb"}\n\nevent: end\ndata: null\n\n');
  });

  it('has a comment every fifteen seconds while nothing comes', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    async function* quiet() {
      for (let second = 0; second < 46; second++) {
        yield null;
        vi.advanceTimersByTime(1_000);
      }
    }
    expect(await (await respond(quiet())).text()).toBe(':\n\n'.repeat(3));
  });

  it('that fails ends, and is logged once', async () => {
    async function* failing() {
      yield { event: 'log', data: 1 };
      throw new Error('the database is away');
    }
    const warn = vi.fn();
    const app = new Hono<HttpEnv>().get('/', (c) => {
      c.set('http', { log: { warn } } as unknown as HttpDeps);
      return eventStream(c, failing());
    });
    expect(await (await app.request('/')).text()).toBe('event: log\ndata: 1\n\n');
    expect(warn).toHaveBeenCalledOnce();
  });

  it('takes nothing that its reader has not asked for, and ends its source with the reader', async () => {
    let taken = 0;
    let ended = false;
    async function* endless() {
      try {
        for (;;) {
          taken += 1;
          yield { event: 'log', data: taken };
        }
      } finally {
        ended = true;
      }
    }
    const reader = (await respond(endless())).body?.getReader();
    await reader?.read();
    await reader?.read();
    expect(taken).toBe(2);
    await reader?.cancel();
    expect(ended).toBe(true);
  });
});
