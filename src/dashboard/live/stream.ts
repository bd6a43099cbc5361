import { isDatabaseAway } from '../../usecases/upkeep/readiness.ts';
import { findVisitor } from '../access/visitor.ts';
import type { PageContext } from '../deps.ts';
import { type Message, written } from './message.ts';
import { pulled } from './pulled.ts';

/** Messages as they come; an empty list says only that nothing is new. */
export type Source = (signal: AbortSignal) => AsyncGenerator<readonly Message[]>;

/** Keeps proxies from thinking that nobody is there; as often the viewer's right to look is checked again. */
const SIGN_OF_LIFE_MS = 15_000;
/** Who doesn't take what was sent for so long is dropped: the browser comes back when it can. */
const STUCK_MS = 20_000;
/** Told to the browser: when to come back after the stream was lost. */
const RETRY_MS = 1_000;

/** Answers with server-sent events until the viewer is gone, may look no longer, or the server stops. */
export function liveStream(c: PageContext, source: Source): Response {
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, c.get('dashboard').stopping]);
  const pieces = encoded(withSignsOfLife(c, source(signal)));
  const onError = (error: unknown) => logEnd(c, error);
  return c.body(pulled(pieces, { stuckMs: STUCK_MS, gone, onError }), 200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    // Some proxies hold answers back until they are whole, unless they are asked not to.
    'X-Accel-Buffering': 'no',
  });
}

/** The id of the last message that a browser had which comes back. */
export const lastId = (c: PageContext): string | undefined => c.req.header('last-event-id') ?? c.req.query('last');

/** For a browser that may not look: it loads the page again, and is sent to sign in. */
export const reloadStream = (c: PageContext): Response =>
  liveStream(c, async function* () {
    yield [{ event: 'reload', data: '' }];
  });

function logEnd(c: PageContext, error: unknown): void {
  const { log } = c.get('dashboard');
  if (isDatabaseAway(error)) log.warn({ err: error, path: c.req.path }, 'a live page ended: the database is away');
  else log.error({ err: error, path: c.req.path }, 'a live page failed');
}

async function* withSignsOfLife(c: PageContext, source: AsyncGenerator<readonly Message[]>): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n${written({ event: 'hello', data: JSON.stringify(hello(c)) })}`;
  let checkedMs = performance.now();
  for await (const messages of source) {
    const due = performance.now() - checkedMs >= SIGN_OF_LIFE_MS;
    if (due) checkedMs = performance.now();
    if (due && (await findVisitor(c)) === null) return yield written({ event: 'reload', data: '' });
    const text = messages.map(written).join('');
    if (text !== '' || due) yield text === '' ? ':\n\n' : text;
  }
}

/** What the browser compares with its page: the scripts it has, and the time by its own clock. */
const hello = (c: PageContext) => ({ assets: c.get('assets').path, now: c.get('dashboard').epochMs() });

async function* encoded(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const text of texts) yield encoder.encode(text);
}
