import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { ERROR_CODES } from '../domain/errors.ts';
import type { createApp } from './app.ts';

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
};
const MAX_CONNECTIONS = 20_000;
const IDLE_LOOK_MS = 50;

/** Serves an app over HTTP. Throws {@link ListenError}. */
export async function listen(app: ReturnType<typeof createApp>, options: ListenOptions): Promise<Listening> {
  const listener = getRequestListener(app.fetch, { errorHandler: refuseUnreadable });
  const server = createServer(LIMITS, (request, response) => void listener(request, response));
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
  const [status, title] = ERROR_CODES.malformed;
  const requestId = crypto.randomUUID();
  const detail = 'The address or the Host header can not be read.';
  const problem = { type: 'about:blank', title, status, code: 'malformed', detail, request_id: requestId };
  return new Response(JSON.stringify(problem), {
    status,
    headers: { 'Content-Type': 'application/problem+json', 'X-Request-Id': requestId },
  });
}
