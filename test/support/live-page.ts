import { onTestFinished } from 'vitest';
import type { Browsing } from './browse.ts';
import { waitFor } from './wait-for.ts';

export type LiveMessage = { event: string; id: string; data: string };
export type LivePage = {
  messages: LiveMessage[];
  /** The first message since the last one that was asked for that is so. */
  next(fact: (message: LiveMessage) => boolean): Promise<LiveMessage>;
  /** What came since the last message that was asked for. */
  rest(): LiveMessage[];
  ended(): boolean;
  close(): void;
};

/** Where a page gets its news from. */
export const liveAddress = (page: string): string =>
  /<body[^>]* data-live="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';

/** Takes what the server sends to a page, as a browser would. Closed at the end of the test. */
export async function livePage(browser: Browsing, path: string, lastId?: string): Promise<LivePage> {
  const gone = new AbortController();
  onTestFinished(() => gone.abort());
  const response = await browser.open(path, lastId === undefined ? {} : { 'last-event-id': lastId }, gone.signal);
  if (response.body === null || response.status !== 200) throw new Error(`${path}: ${response.status}`);
  const messages: LiveMessage[] = [];
  let [ended, read] = [false, 0];
  collect(response.body, messages)
    .catch(() => {}) // closed by the test
    .finally(() => {
      ended = true;
    });
  return {
    messages,
    ended: () => ended,
    close: () => gone.abort(),
    rest: () => messages.slice(read),
    next: (fact) =>
      waitFor(
        () => {
          const at = messages.findIndex((message, index) => index >= read && fact(message));
          if (at >= 0) read = at + 1;
          return messages[at];
        },
        { what: fact.toString() },
      ),
  };
}

async function collect(body: ReadableStream<Uint8Array>, messages: LiveMessage[]): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) messages.push(parse(block));
  }
}

function parse(block: string): LiveMessage {
  const all = (field: string) =>
    block
      .split('\n')
      .filter((line) => line.startsWith(`${field}: `))
      .map((line) => line.slice(field.length + 2));
  return { event: all('event').at(-1) ?? 'message', id: all('id').at(-1) ?? '', data: all('data').join('\n') };
}
