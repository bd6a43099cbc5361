import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Task, task } from '../contract/task.ts';
import type { Stream } from '../domain/machine.ts';
import { isFinal } from '../domain/task.ts';
import { inPath } from './arguments.ts';
import { type Client, ServerAwayError } from './client.ts';
import { serverSentEvents } from './server-sent-events.ts';

const LOOK_AGAIN_MS = 500;
/** A server that is restarted is back by then. */
const PATIENCE_MS = 60_000;
/** A stream says something every 15 s, if only that it is there. */
const SILENCE_MS = 50_000;

/**
 * Waits until the task is final and answers it; `onAttempt` is awaited for each attempt that is seen. A server that is
 * away for less than a minute is waited for.
 */
export async function waitForEnd(
  client: Client,
  id: string,
  onAttempt: (attempt: NonNullable<Task['attempt']>) => Promise<void> = async () => {},
): Promise<Task> {
  let seen: string | null = null;
  for (;;) {
    const now: Task = await patiently(() => client.get(`/api/v1/tasks/${inPath(id)}`, task));
    if (now.attempt !== null && now.attempt.id !== seen) {
      seen = now.attempt.id;
      await onAttempt(now.attempt);
    } else if (isFinal(now.status)) return now;
    else await delay(LOOK_AGAIN_MS);
  }
}

async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ServerAwayError) || performance.now() > until) throw error;
    }
    await delay(LOOK_AGAIN_MS);
  }
}

const logData = z.object({ offset: z.int(), base64: z.string() });

/** Hands on what an attempt writes to one stream, from the first byte to the end, each byte once. */
export async function followLog(
  client: Client,
  attemptId: string,
  stream: Stream,
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  const path = `/api/v1/attempts/${inPath(attemptId)}/log/${stream}?follow=1`;
  const reached = { offset: 0, id: null as string | null, ended: false };
  while (!reached.ended) {
    const response = await patiently(() => openStream(client, path, reached.id));
    await readStream(response, reached, write);
    if (!reached.ended) await delay(LOOK_AGAIN_MS);
  }
}

const openStream = (client: Client, path: string, lastId: string | null): Promise<Response> =>
  client.open(path, { accept: 'text/event-stream', ...(lastId === null ? {} : { 'last-event-id': lastId }) });

/** Reads until the end of the log, or until the connection breaks, which is no error: it is taken up again. */
async function readStream(
  response: Response,
  reached: { offset: number; id: string | null; ended: boolean },
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  const body = response.body;
  if (body === null) return;
  const silence = setTimeout(() => void body.cancel().catch(() => {}), SILENCE_MS);
  try {
    for await (const event of serverSentEvents(body, () => silence.refresh())) {
      if (event.id !== null) reached.id = event.id;
      if (event.event === 'end') reached.ended = true;
      if (event.event !== 'log') continue;
      const { offset, base64 } = logData.parse(JSON.parse(event.data));
      const bytes = Buffer.from(base64, 'base64');
      if (offset > reached.offset) write(Buffer.from(`\n[${offset - reached.offset} bytes left out]\n`));
      write(bytes.subarray(Math.max(0, reached.offset - offset)));
      reached.offset = Math.max(reached.offset, offset + bytes.length);
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  } finally {
    clearTimeout(silence);
  }
}
