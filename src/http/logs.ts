import { z } from 'zod';
import { logWritten } from '../contract/attempt.ts';
import { id } from '../contract/common.ts';
import { AppError, notFound } from '../domain/errors.ts';
import { STREAMS, type Stream } from '../domain/machine.ts';
import { followLog } from '../usecases/log/follow-log.ts';
import { type ReadLog, readLog } from '../usecases/log/read-log.ts';
import { writeLog } from '../usecases/log/write-log.ts';
import { getAttempt } from '../usecases/task/read-tasks.ts';
import { holderOf, isStillAdmitted, requireReadable } from './auth.ts';
import { readBytes } from './body.ts';
import type { HttpContext } from './env.ts';
import { eventStream, lastEventId, type ServerEvent, whileAllowed } from './event-stream.ts';
import { rangeOf } from './ranges.ts';
import { answers, api, apiRoute, endpoint } from './route.ts';

const tags = ['attempts'];
/** Of one write. */
const MAX_PIECE_BYTES = 1024 * 1024;

const streamInPath = z.object({ attempt_id: id, stream: z.enum(STREAMS) });
const offset = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a number of bytes')
  .transform(Number)
  .meta({ type: 'integer', minimum: 0 });

const write = endpoint(
  apiRoute('holder', ['lease_lost', 'attempt_finished', 'offset_gap', 'too_large', 'unsupported_media_type'], {
    method: 'put',
    path: '/api/v1/attempts/{attempt_id}/log/{stream}',
    tags,
    summary: 'Store a piece of what the attempt prints',
    description:
      'Raw bytes, at most 1 MiB. What lies before the next offset expected is skipped, so repeats are harmless; ' +
      '`gap=1` says that the bytes before `offset` were left out. Bytes that may begin a secret are taken only with ' +
      'what follows them, or with `end=1`, which says that nothing does.',
    request: {
      params: streamInPath,
      query: z.strictObject({ offset, gap: z.enum(['0', '1']).optional(), end: z.enum(['0', '1']).optional() }),
      body: { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } },
    },
    responses: { 200: answers(logWritten, 'Where the next piece begins, and whether somebody watches') },
  }),
  async (c) => {
    requireOctets(c);
    const { attempt_id, stream } = c.req.valid('param');
    const query = c.req.valid('query');
    const bytes = await readBytes(c, MAX_PIECE_BYTES);
    const piece = { offset: query.offset, bytes, gap: query.gap === '1', end: query.end === '1' };
    const written = await writeLog(c.get('http').deps, holderOf(c), attempt_id, stream, piece);
    return c.json({ next_offset: written.nextOffset, followed: written.followed }, 200);
  },
);

function requireOctets(c: HttpContext): void {
  const contentType = c.req.header('content-type') ?? 'application/octet-stream';
  if (/^application\/octet-stream\s*(?:;|$)/i.test(contentType)) return;
  throw new AppError('unsupported_media_type', `The content type is ${contentType}; send application/octet-stream.`);
}

const read = endpoint(
  apiRoute('reader', ['range_not_satisfiable'], {
    method: 'get',
    path: '/api/v1/attempts/{attempt_id}/log/{stream}',
    tags,
    summary: 'Read what the attempt printed',
    description:
      'The bytes kept, with a line where some were left out. `Range` counts bytes of the answer, `offset` those that ' +
      'were written. With `follow=1` server-sent events: `log` for each piece, `end` when the attempt has ended.',
    request: {
      params: streamInPath,
      query: z.strictObject({ offset: offset.optional(), follow: z.enum(['0', '1']).optional() }),
    },
    responses: {
      200: {
        description: 'The bytes, or the stream of events',
        content: { 'text/plain': { schema: { type: 'string' } }, 'text/event-stream': { schema: { type: 'string' } } },
      },
      206: { description: 'The range that was asked for', content: { 'text/plain': { schema: { type: 'string' } } } },
    },
  }),
  async (c) => {
    const { attempt_id, stream } = c.req.valid('param');
    const query = c.req.valid('query');
    const { deps } = c.get('http');
    const attempt = await getAttempt(deps, attempt_id);
    if (attempt === null) throw notFound('attempt');
    await requireReadable(c, attempt.taskId, 'attempt');
    // The id of each event is the offset after its piece.
    if (query.follow === '1') return follow(c, attempt_id, stream, lastEventId(c, offset) ?? query.offset ?? 0);
    const log = await readLog(deps, attempt_id, stream, query.offset ?? 0);
    if (log === null) throw notFound('attempt');
    return sendLog(c, log);
  },
);

function sendLog(c: HttpContext, { bytes, totalBytes, leftOutBytes, complete }: ReadLog): Response {
  const range = rangeOf(c.req.header('range'), bytes.length);
  const headers = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Accept-Ranges': 'bytes',
    'Taskejo-Log-Bytes': String(totalBytes),
    'Taskejo-Log-Left-Out': String(leftOutBytes),
    'Taskejo-Log-Complete': String(complete),
  };
  if (range === null) return c.body(new Uint8Array(bytes), 200, headers);
  const part = new Uint8Array(bytes.subarray(range.start, range.end));
  const contentRange = `bytes ${range.start}-${range.end - 1}/${bytes.length}`;
  return c.body(part, 206, { ...headers, 'Content-Range': contentRange });
}

function follow(c: HttpContext, attemptId: string, stream: Stream, from: number): Response {
  const { deps, stopping } = c.get('http');
  const signal = AbortSignal.any([c.req.raw.signal, stopping]);
  const progress = followLog(deps, attemptId, stream, from, signal);
  return eventStream(
    c,
    whileAllowed(logEvents(progress, stream), () => isStillAdmitted(c)),
  );
}

async function* logEvents(progress: ReturnType<typeof followLog>, stream: Stream): AsyncGenerator<ServerEvent | null> {
  for await (const { pieces, ended, totalBytes, sha256 } of progress) {
    for (const piece of pieces) {
      const data = { stream, offset: piece.offset, base64: piece.bytes.toString('base64') };
      yield { event: 'log', data, id: String(piece.offset + piece.bytes.length) };
    }
    if (ended) yield { event: 'end', data: { bytes: totalBytes, sha256 } };
    else if (pieces.length === 0) yield null;
  }
}

export const logsApi = () => api(write, read);
