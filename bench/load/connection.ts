import { connect, type Socket } from 'node:net';

export type Address = { host: string; port: number; localAddress?: string };
export type Answer = { status: number; body: string };
/** One kept connection with one request under way at a time. */
export type Connection = { send(request: string): Promise<Answer>; close(): void };

/** A whole request as it goes over the wire; all that the benchmark says is ASCII. */
export function request(method: string, path: string, token: string, body = ''): string {
  return (
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

/**
 * As little HTTP as the server's answers need, because the load shares the server's cores: a status, a length, a body.
 * It refuses anything else.
 */
export async function openConnection(address: Address): Promise<Connection> {
  const socket = connect({ ...address, noDelay: true });
  const waiting: { asked: PromiseWithResolvers<Answer> | null } = { asked: null };
  const settle = (act: (asked: PromiseWithResolvers<Answer>) => void) => {
    const { asked } = waiting;
    waiting.asked = null;
    if (asked !== null) act(asked);
  };
  await connected(socket);
  const read = createReader((answer) => settle((asked) => asked.resolve(answer)));
  const fail = (error: Error) => settle((asked) => asked.reject(error));
  socket.on('data', (bytes: Buffer) => {
    try {
      read(bytes);
    } catch (error) {
      fail(error as Error);
    }
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the server closed the connection')));
  return {
    send(text) {
      waiting.asked = Promise.withResolvers<Answer>();
      socket.write(text, 'latin1');
      return waiting.asked.promise;
    },
    close: () => void socket.destroy(),
  };
}

function connected(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('error', reject);
  socket.once('connect', () => {
    socket.off('error', reject);
    resolve();
  });
  return promise;
}

/** Puts answers together from what the socket brings; most come in one piece. */
function createReader(onAnswer: (answer: Answer) => void): (bytes: Buffer) => void {
  let pieces: Buffer[] = [];
  let have = 0;
  let need = 0;
  return (bytes) => {
    pieces.push(bytes);
    have += bytes.length;
    if (have < need) return;
    const all = pieces.length === 1 ? bytes : Buffer.concat(pieces);
    pieces = [all];
    const head = all.indexOf('\r\n\r\n');
    if (head === -1) return;
    const { status, length } = readHead(all.toString('latin1', 0, head));
    need = head + 4 + length;
    if (have < need) return;
    if (have > need) throw new Error('the server answered more than was asked');
    pieces = [];
    have = 0;
    need = 0;
    onAnswer({ status, body: all.toString('latin1', head + 4) });
  };
}

function readHead(head: string): { status: number; length: number } {
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined && status !== 204) throw new Error(`an answer without a length can't be read: ${head}`);
  return { status, length: Number(length ?? 0) };
}
