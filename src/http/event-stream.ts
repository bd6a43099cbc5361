import type { z } from 'zod';
import { invalidField } from '../domain/errors.ts';
import type { HttpContext } from './env.ts';

export type ServerEvent = { event: string; data: unknown; id?: string | undefined; text?: string };

/** An event that goes to many readers, written once for all of them. */
export const sameForAll = (event: ServerEvent): ServerEvent => ({ ...event, text: written(event) });

/** A line that keeps proxies from thinking that nobody is there any more. */
const COMMENT_EVERY_MS = 15_000;

/**
 * Answers with server-sent events: each as it comes, null when there is none at the moment. The headers go out at
 * once, and nothing is taken from the source before the reader has taken what came before.
 */
export function eventStream(c: HttpContext, events: AsyncIterable<ServerEvent | null>, stuckMs = STUCK_MS): Response {
  // The end of the connection cancels the stream, and that ends its source.
  const drop = () => void c.env.outgoing.destroy();
  return c.body(streamOf(untilItFails(c, encoded(events)), { stuckMs, drop }), 200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    // Some proxies hold answers back until they are whole, unless they are asked not to.
    'X-Accel-Buffering': 'no',
  });
}

/** Who doesn't take what was sent for so long is dropped, and what is kept for it; it comes back where it was. */
const STUCK_MS = 60_000;
/** As often the right of who follows is looked at again. */
const CHECK_EVERY_MS = 15_000;

/** The same events until who follows them may do so no longer, as when its token is revoked meanwhile. */
export async function* whileAllowed<T>(
  events: AsyncIterable<T>,
  isAllowed: () => Promise<boolean>,
  everyMs = CHECK_EVERY_MS,
): AsyncGenerator<T> {
  let checkedMs = performance.now();
  for await (const event of events) {
    const due = performance.now() - checkedMs >= everyMs;
    if (due && !(await isAllowed())) return;
    if (due) checkedMs = performance.now();
    yield event;
  }
}

/** The headers are out, so a failure can only end the stream. Who follows comes back and goes on where it was. */
async function* untilItFails(c: HttpContext, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (err) {
    c.get('http').log.warn({ err, requestId: c.get('requestId'), path: c.req.path }, 'a stream of events broke off');
  }
}

/** Takes the next piece only when the reader wants it, and ends the source when the reader is gone, or asleep. */
function streamOf(
  pieces: AsyncGenerator<Uint8Array>,
  { stuckMs, drop }: { stuckMs: number; drop: () => void },
): ReadableStream<Uint8Array> {
  let stuck: NodeJS.Timeout | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(stuck);
        const { done, value } = await pieces.next();
        if (done) return controller.close();
        controller.enqueue(value);
        stuck = setTimeout(drop, stuckMs).unref();
      },
      async cancel() {
        clearTimeout(stuck);
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

async function* encoded(events: AsyncIterable<ServerEvent | null>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let lastSentMs = performance.now();
  for await (const event of events) {
    const text = event === null ? ':\n\n' : (event.text ?? written(event));
    if (event === null && performance.now() - lastSentMs < COMMENT_EVERY_MS) continue;
    lastSentMs = performance.now();
    yield encoder.encode(text);
  }
}

const written = ({ event, data, id }: ServerEvent): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** The id of the last event that a reader had who comes back, as ids of this stream are. */
export function lastEventId(c: HttpContext, id: z.ZodType<number>): number | undefined {
  const given = c.req.header('last-event-id');
  if (given === undefined) return undefined;
  const parsed = id.safeParse(given);
  if (!parsed.success) throw invalidField('Last-Event-ID', 'is not the id of an event of this stream');
  return parsed.data;
}
