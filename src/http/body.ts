import { AppError } from '../domain/errors.ts';
import type { HttpContext } from './env.ts';
import { answerHeader } from './request-context.ts';

const MiB = 1024 * 1024;
/** Of a body of JSON. */
export const MAX_BODY_BYTES = 8 * MiB;
const MAX_DEPTH = 64;

/**
 * Reads the bytes of a request, at most so many. Throws `too_large`, `unsupported_media_type` for a compressed body,
 * and `malformed` for one that broke off.
 */
export async function readBytes(c: HttpContext, maxBytes: number): Promise<Uint8Array> {
  const encoding = c.req.header('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new AppError(
      'unsupported_media_type',
      `A body with Content-Encoding ${encoding} is not taken; send it plain.`,
    );
  }
  const declared = c.req.header('content-length');
  if (declared !== undefined && Number(declared) > maxBytes) {
    await discard(c.env.incoming);
    throw tooLarge(maxBytes);
  }
  try {
    if (declared !== undefined) return await readDeclared(c.env.incoming);
    return await readStream(c, maxBytes);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('malformed', 'The body broke off before its end.', { cause: error });
  }
}

/** Straight from the connection, which lets in no more than was declared. */
function readDeclared(incoming: HttpContext['env']['incoming']): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Buffer[] = [];
  const keep = (chunk: Buffer) => chunks.push(chunk);
  const fail = (error: Error) => forget(() => reject(error));
  const brokenOff = () => fail(new Error('the connection was closed'));
  const whole = () => forget(() => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
  // At once: a request closes after its end, and whoever waits for long must not hold what it sent.
  const forget = (settle: () => void) => {
    incoming.off('data', keep).off('end', whole).off('error', fail).off('close', brokenOff);
    settle();
  };
  incoming.on('data', keep).on('end', whole).on('error', fail).on('close', brokenOff);
  return promise;
}

const DISCARD_MS = 1_000;
const DISCARD_BYTES = 64 * MiB;

/**
 * Reads what nobody wants, within limits: a caller that closes its connection after the answer would be cut off in the
 * middle of sending, and many look at no answer then.
 */
async function discard(incoming: HttpContext['env']['incoming']): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, DISCARD_MS);
  let size = 0;
  const count = (chunk: Buffer) => {
    size += chunk.length;
    if (size > DISCARD_BYTES) resolve();
  };
  incoming.on('data', count).once('end', resolve).once('error', resolve).once('close', resolve);
  await promise;
  clearTimeout(timer);
  incoming.off('data', count).off('end', resolve).off('error', resolve).off('close', resolve);
}

async function readStream(c: HttpContext, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      // Nobody knows how much is still to come, so nothing else can come over this connection.
      answerHeader(c, 'Connection', 'close');
      throw tooLarge(maxBytes);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (maxBytes: number): AppError => new AppError('too_large', `The body has more than ${maxBytes} bytes.`);

export const isJsonType = (contentType: string): boolean =>
  /^application\/(?:[\w.-]+\+)?json$/i.test((contentType.split(';')[0] ?? '').trim());

/**
 * A body of JSON. Its type, size, encoding and depth are checked before anything parses it. No body at all counts as an
 * empty object; whether that will do is said by the route's schema.
 */
export async function readJson(c: HttpContext): Promise<unknown> {
  const contentType = c.req.header('content-type');
  if (contentType !== undefined && !isJsonType(contentType)) throw notJson(contentType);
  const bytes = await readBytes(c, MAX_BODY_BYTES);
  if (bytes.length === 0) return {};
  if (contentType === undefined) throw notJson('none');
  const text = decode(bytes);
  checkDepth(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AppError('malformed', 'The body is not JSON.', { cause: error });
  }
}

const notJson = (contentType: string): AppError =>
  new AppError('unsupported_media_type', `The content type is ${contentType}; send application/json.`);

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new AppError('malformed', 'The body is not UTF-8.', { cause: error });
  }
}

/** Counts brackets outside of texts, without parsing: what is nested too deep must not reach a parser. */
function checkDepth(text: string): void {
  if (!hasManyBrackets(text)) return;
  let depth = 0;
  let inText = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (inText) {
      if (char === '\\') at += 1;
      else if (char === '"') inText = false;
    } else if (char === '"') inText = true;
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    if (depth > MAX_DEPTH) throw new AppError('malformed', `The body is nested deeper than ${MAX_DEPTH} levels.`);
  }
}

/** Without them nothing can be deep, and most bodies have few. */
function hasManyBrackets(text: string): boolean {
  let count = 0;
  for (const bracket of '[{') {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      count += 1;
      if (count > MAX_DEPTH) return true;
    }
  }
  return false;
}
