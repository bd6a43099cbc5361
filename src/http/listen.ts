import { createServer, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { ERROR_CODES } from '../domain/errors.ts';
import type { createApp } from './app.ts';
import { RETRY_AFTER_SECONDS } from './problem.ts';

export type ListenOptions = {
  host: string;
  /** 0: any free one. */
  port: number;
  maxConnections?: number;
};
export type Listening = {
  /** `http://host:port` as it came out. */
  url: string;
  /** Takes nothing new and resolves when what is under way was answered, at the latest after so long. */
  stop(withinMs: number): Promise<void>;
};

/** The address can't be listened on. The message is one sentence for the operator. */
export class ListenError extends Error {
  override name = 'ListenError';
}

/** What a request may take to come in. Answers may take longer: some wait for a task. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 2_000,
  // A request without it is refused below, in the form that all problems have.
  requireHostHeader: false,
};
const TOO_LATE = 'ERR_HTTP_REQUEST_TIMEOUT';
const MAX_CONNECTIONS = 20_000;
const IDLE_LOOK_MS = 50;

/** Serves an app over HTTP. Throws {@link ListenError}. */
export async function listen(app: ReturnType<typeof createApp>, options: ListenOptions): Promise<Listening> {
  const listener = getRequestListener(app.fetch, { errorHandler: refuseUnreadable });
  const server = createServer(LIMITS, (request, response) => void listener(request, response));
  server.on('clientError', refuseBroken);
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  const { port, address } = await bind(server, options);
  const host = address.includes(':') ? `[${address}]` : address;
  return { url: `http://${host}:${port}`, stop: (withinMs) => close(server, withinMs) };
}

function bind(server: Server, { host, port }: ListenOptions): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>();
  const refuse = (error: NodeJS.ErrnoException) =>
    reject(new ListenError(sentence(error, host, port), { cause: error }));
  server.once('error', refuse);
  server.listen(port, host, () => {
    server.off('error', refuse);
    resolve(server.address() as AddressInfo);
  });
  return promise;
}

function sentence({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === 'EADDRINUSE') return `Port ${port} of ${host} is taken by another program.`;
  if (code === 'EACCES') return `Port ${port} of ${host} may not be listened on by this user.`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `${host} is not an address of this machine.`;
  return `${host}:${port} can't be listened on (${message}).`;
}

async function close(server: Server, withinMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Connections that were busy when we began to close become idle one by one, and would be kept for the next request.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS);
  const late = setTimeout(() => server.closeAllConnections(), withinMs);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}

/** For requests that don't even have an address, so that no route or middleware sees them. */
function refuseUnreadable(): Response {
  const { status, headers, body } = problemOf('malformed', 'The address or the Host header can not be read.');
  return new Response(body, { status, headers });
}

/** For what is no request, or none that came in whole in time: the connection is answered and ended. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  // Node keeps here what is being answered: in the middle of an answer, another would look like a part of it.
  const { _httpMessage: answer } = socket as Duplex & { _httpMessage?: ServerResponse | null };
  if (error.code === 'ECONNRESET' || !socket.writable || answer?.headersSent) return void socket.destroy();
  const { status, headers, body } = broken(error.code);
  const all = { ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`;
  // What is still to come would be carried out, though its sender was told that it isn't.
  socket.end(text, () => error.code === TOO_LATE && socket.destroy());
}

function broken(code: string | undefined): RawProblem {
  if (code === 'HPE_HEADER_OVERFLOW') return problemOf('too_large', 'The headers are too long.');
  if (code === TOO_LATE) return tooLate();
  return problemOf('malformed', 'This is not a request of HTTP.');
}

/** Nothing is wrong with it: while this process stands still nobody reads it. Its sender shall send it again. */
function tooLate(): RawProblem {
  const problem = problemOf('unavailable', 'The request did not come in whole in time.');
  return { ...problem, headers: { ...problem.headers, 'Retry-After': String(RETRY_AFTER_SECONDS) } };
}

type RawProblem = { status: number; headers: Record<string, string>; body: string };

function problemOf(code: 'malformed' | 'too_large' | 'unavailable', detail: string): RawProblem {
  const [status, title] = ERROR_CODES[code];
  const requestId = crypto.randomUUID();
  const headers = { 'Content-Type': 'application/problem+json', 'X-Request-Id': requestId };
  const body = JSON.stringify({ type: 'about:blank', title, status, code, detail, request_id: requestId });
  return { status, headers, body };
}
