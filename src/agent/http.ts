import { type Check, fields, type Issue, isText, isWholeOrMissing } from './fields.ts';
import { createPause } from './pause.ts';
import type { Answer, Outgoing, Send } from './send.ts';
import type { ServerClock } from './server-clock.ts';

/** Nothing usable was answered: no connection, no time, a server in trouble, or something else in its place. */
export class ServerAway extends Error {
  override name = 'ServerAway';
}

/** The server answered with an error of its own, by its stable code. */
export class ServerRefusal extends Error {
  override name = 'ServerRefusal';
  readonly status: number;
  readonly code: string;
  readonly nextOffset: number | null;
  constructor(status: number, { code, detail, next_offset }: Problem) {
    super(`${detail} (${code})`);
    this.status = status;
    this.code = code;
    this.nextOffset = next_offset ?? null;
  }
}

/** A newer server may know more codes: any word is one. */
type Problem = { code: string; detail: string; next_offset?: number | undefined };
const problem = fields<Problem>({ code: isText, detail: isText, next_offset: isWholeOrMissing });

export type ServerRequest<T> = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  /** Bytes as they are, anything else as JSON. */
  body?: unknown;
  token?: string;
  headers?: Readonly<Record<string, string>>;
  /** What the answer's body is checked by, or how that is loaded when there is one. Null: it doesn't matter. */
  schema: Check<T> | (() => Promise<Check<T>>) | null;
  /** How much longer than others this request may take. */
  waitSeconds?: number;
};

/** One request to the server. @throws {ServerAway}, {@link ServerRefusal}, or the signal's reason */
export type ServerClient = <T>(request: ServerRequest<T>, signal: AbortSignal) => Promise<T>;

export type ServerClientOptions = {
  server: { url: string; timeoutSeconds: number };
  clock: ServerClock;
  random: () => number;
  send: Send;
};

/** Each answer puts the server's clock right, and may ask for a pause, which all requests keep. */
export function createServerClient({ server, clock, random, send }: ServerClientOptions): ServerClient {
  const { url, timeoutSeconds } = server;
  const pause = createPause(random);
  return async <T>(request: ServerRequest<T>, signal: AbortSignal): Promise<T> => {
    const seconds = timeoutSeconds + (request.waitSeconds ?? 0);
    await pause.over(signal).catch(() => signal.throwIfAborted());
    const late = AbortSignal.timeout(Math.ceil(seconds * 1000));
    try {
      const both = AbortSignal.any([signal, late]);
      const answer = await send(`${url}${request.path}`, { ...outgoingOf(request), signal: both });
      clock.hear(answer.header('date'));
      pause.hear(answer);
      return await readAnswer(answer, request);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ServerRefusal || error instanceof ServerAway) throw error;
      const reason = late.aborted ? `no answer within ${seconds} s` : reasonOf(error as NodeJS.ErrnoException);
      throw new ServerAway(`cannot reach ${url}: ${reason}`, { cause: error });
    }
  };
}

function outgoingOf({ method, body, token, headers: more }: ServerRequest<unknown>): Omit<Outgoing, 'signal'> {
  const headers = { ...more, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  if (body === undefined) return { method, headers, body };
  if (body instanceof Uint8Array) {
    return { method, headers: { ...headers, 'content-type': 'application/octet-stream' }, body };
  }
  return { method, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

async function readAnswer<T>({ status, text }: Answer, { schema }: ServerRequest<T>): Promise<T> {
  if (status < 200 || status > 299) throw refusal(status, text);
  if (schema === null || status === 204) return undefined as T;
  const parsed = (typeof schema === 'function' ? await schema() : schema).safeParse(json(text));
  if (!parsed.success) throw new ServerAway(`the answer is not understood: ${parsed.error.issues.map(say).join(', ')}`);
  return parsed.data;
}

const say = ({ path, message }: Issue): string => `${path.map(String).join('.')}: ${message}`;

function refusal(status: number, text: string): Error {
  const parsed = problem.safeParse(json(text));
  if (!parsed.success) return new ServerAway(`HTTP ${status} from something that is not the server`);
  const { code, detail } = parsed.data;
  return status >= 500 || status === 429
    ? new ServerAway(`${detail} (${code})`)
    : new ServerRefusal(status, parsed.data);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const reasonOf = ({ code, message }: NodeJS.ErrnoException): string => code ?? message;
