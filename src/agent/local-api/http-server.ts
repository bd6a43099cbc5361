import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AppError, ERROR_CODES } from '../../domain/errors.ts';
import type { Log } from '../../executor/log.ts';
import { createServer } from '../node-http.ts';
import { answerTo, type Route } from './route.ts';

const HEADERS_MS = 5_000;
const CONNECTIONS = 64;

export type HttpServerOptions = {
  routes: readonly Route[];
  /** A web page reaches a port of the machine whose browser shows it: what it sends is refused. */
  reachedByPages: boolean;
  log: Log;
};

export type HttpServer = {
  server: Server;
  /** Ends when the answers under way are out; connections that wait for none are cut, whatever has come on them. */
  stop(): Promise<void>;
};

/** Answers requests by the routes. */
export function createHttpServer({ routes, reachedByPages, log }: HttpServerOptions): HttpServer {
  const waitForNone = new Set<Socket>();
  const server = createServer({ headersTimeout: HEADERS_MS, requestTimeout: HEADERS_MS }, (request, response) => {
    request.resume();
    const { socket } = request;
    waitForNone.delete(socket);
    response.once('close', () => void (socket.destroyed || waitForNone.add(socket)));
    if (reachedByPages && isOfPage(request)) return refuse(response, NOT_FOR_PAGES, log);
    answer(routes, request).then(
      (body) => send(response, 200, 'application/json', body),
      (error: unknown) => refuse(response, error, log),
    );
  });
  server.maxConnections = CONNECTIONS;
  server.on('connection', (socket) => {
    waitForNone.add(socket);
    socket.once('close', () => waitForNone.delete(socket));
  });
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of waitForNone) socket.destroy();
    });
  return { server, stop };
}

const NOT_FOR_PAGES = new AppError('forbidden', 'Only programs of this machine may ask, by its own address.');

/** Pages say where they come from, or have given this machine's address another name. */
function isOfPage({ headers }: IncomingMessage): boolean {
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  return headers.origin !== undefined || !/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(host);
}

async function answer(routes: readonly Route[], { method = 'GET', url = '/' }: IncomingMessage): Promise<unknown> {
  const asked = URL.parse(url, 'http://localhost');
  if (asked === null) throw new AppError('malformed', 'That is no address.');
  return answerTo(routes, method, asked);
}

function refuse(response: ServerResponse, error: unknown, log: Log): void {
  if (!(error instanceof AppError)) log.error({ err: error }, 'local request failed');
  const said = error instanceof AppError ? error : new AppError('internal', 'Something went wrong; the log says what.');
  const [status, title] = ERROR_CODES[said.code];
  send(response, status, 'application/problem+json', {
    type: 'about:blank',
    title,
    status,
    code: said.code,
    detail: said.message,
  });
}

function send(response: ServerResponse, status: number, type: string, body: unknown): void {
  const headers = { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  response.writeHead(status, headers).end(`${JSON.stringify(body)}\n`);
}
