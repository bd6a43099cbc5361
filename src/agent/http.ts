import { z } from 'zod';
import { createPause } from './pause.ts';
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
  constructor(status: number, { code, detail, next_offset }: z.infer<typeof problem>) {
    super(`${detail} (${code})`);
    this.status = status;
    this.code = code;
    this.nextOffset = next_offset ?? null;
  }
}

/** A newer server may know more codes: any word is one. */
const problem = z.object({ code: z.string(), detail: z.string(), next_offset: z.int().optional() });

export type ServerRequest<T> = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  /** Bytes as they are, anything else as JSON. */
  body?: unknown;
  token?: string;
  headers?: Readonly<Record<string, string>>;
  /** Null: the answer's body doesn't matter. */
  schema: z.ZodType<T> | null;
  /** How much longer than others this request may take. */
  waitSeconds?: number;
};

/** One request to the server. @throws {ServerAway}, {@link ServerRefusal}, or the signal's reason */
export type ServerClient = <T>(request: ServerRequest<T>, signal: AbortSignal) => Promise<T>;

export type ServerClientOptions = {
  server: { url: string; timeoutSeconds: number };
  clock: ServerClock;
  random: () => number;
};

/** Each answer puts the server's clock right, and may ask for a pause, which all requests keep. */
export function createServerClient({ server, clock, random }: ServerClientOptions): ServerClient {
  const { url, timeoutSeconds } = server;
  const pause = createPause(random);
  return async <T>(request: ServerRequest<T>, signal: AbortSignal): Promise<T> => {
    const seconds = timeoutSeconds + (request.waitSeconds ?? 0);
    try {
      await pause.over(signal);
      const both = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(seconds * 1000))]);
      const response = await fetch(`${url}${request.path}`, { ...initOf(request), redirect: 'manual', signal: both });
      clock.hear(response.headers.get('date'));
      pause.hear(response);
      return await readAnswer(response, request);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ServerRefusal || error instanceof ServerAway) throw error;
      throw new ServerAway(`cannot reach ${url}: ${reasonOf(error, seconds)}`, { cause: error });
    }
  };
}

function initOf({ method, body, token, headers: more }: ServerRequest<unknown>): RequestInit {
  const headers = { ...more, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  if (body === undefined) return { method, headers };
  if (body instanceof Uint8Array) {
    return { method, headers: { ...headers, 'content-type': 'application/octet-stream' }, body: new Uint8Array(body) };
  }
  return { method, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

async function readAnswer<T>(response: Response, { schema }: ServerRequest<T>): Promise<T> {
  const text = await response.text();
  if (!response.ok) throw refusal(response.status, text);
  if (schema === null || response.status === 204) return undefined as T;
  const parsed = schema.safeParse(json(text));
  if (!parsed.success) throw new ServerAway(`the answer is not understood: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

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

function reasonOf(error: unknown, seconds: number): string {
  const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
  if (name === 'TimeoutError') return `no answer within ${seconds} s`;
  return cause?.code ?? cause?.message ?? message;
}
