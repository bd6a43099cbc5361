import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A way to a database on which answers get lost. */
export type DatabaseProxy = {
  /** The database, by this way. */
  url: string;
  /**
   * Of the next transaction with a statement like this the end is not told: it was committed, and then its connection
   * is cut. Answers how many were lost so far.
   */
  loseAnswer(statement: RegExp): { lost(): number };
  /** Connections of this name that are open now stay so, but nothing passes on them any more. Answers how many. */
  silence(applicationName: string): number;
  /** How many connections of this name were begun. */
  begun(applicationName: string): number;
};

type Link = { client: Socket; server: Socket; name: string; silent: boolean };
type Loss = { statement: RegExp; count: number; armed: boolean };

/** Only for databases without TLS, which those of tests are. */
export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const links: Link[] = [];
  let loss: Loss | null = null;
  // Half-open, so that on a silent link not even the farewell of one end is answered.
  const way = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ ...addressOf(databaseUrl), allowHalfOpen: true });
    const link: Link = { client, server, name: '', silent: false };
    links.push(link);
    join(link, () => loss);
  });
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    way.close();
    links.forEach(cut);
  });
  const { port } = way.address() as AddressInfo;
  const named = (name: string) => links.filter((link) => link.name === name);
  return {
    url: throughPort(databaseUrl, port),
    loseAnswer(statement) {
      const armed: Loss = { statement, count: 0, armed: true };
      loss = armed;
      return { lost: () => armed.count };
    },
    silence(name) {
      const open = named(name).filter(({ client, silent }) => !silent && !client.destroyed);
      for (const link of open) link.silent = true;
      return open.length;
    },
    begun: (name) => named(name).length,
  };
}

/** A Unix socket's folder stands where the host would; the file's name has the port. */
function addressOf(url: string): { path: string } | { host: string; port: number } {
  const folder = /[?&]host=([^&]*)/.exec(url)?.[1];
  const [, host = 'localhost', port = '5432'] = /^\w+:\/\/(?:[^@/]*@)?([^:/]*)(?::(\d+))?/.exec(url) ?? [];
  if (folder === undefined) return { host, port: Number(port) };
  return { path: `${decodeURIComponent(folder)}/.s.PGSQL.${port}` };
}

const throughPort = (url: string, port: number): string =>
  url
    .replace(/^(\w+:\/\/(?:[^@/]*@)?)[^/?]*/, `$1127.0.0.1:${port}`)
    .replace(/([?&])host=[^&]*&?/, '$1')
    .replace(/[?&]$/, '');

function join(link: Link, lossNow: () => Loss | null): void {
  const { client, server } = link;
  const prepared = new Map<string, string>();
  /** What was sent since the connection was last in no transaction. */
  let sent: string[] = [];
  const read = createReader(true, (type, body) => {
    if (type === '') link.name = /application_name\0([^\0]*)/.exec(body)?.[1] ?? '';
    const [first = '', second = ''] = body.split('\0');
    if (type === 'P') prepared.set(first, second);
    if (type === 'B') sent.push(prepared.get(second) ?? '');
    if (type === 'Q') sent.push(first);
  });
  const answered = createReader(false, (type, body) => {
    const isDone = type === 'Z' && body === 'I';
    if (!isDone) return;
    const done = sent;
    sent = [];
    const loss = lossNow();
    if (!loss?.armed || !done.some((text) => loss.statement.test(text))) return;
    loss.armed = false;
    loss.count += 1;
    cut(link);
  });
  client.on('data', (chunk: Buffer) => {
    if (link.silent) return;
    read(chunk);
    server.write(chunk);
  });
  server.on('data', (chunk: Buffer) => {
    if (link.silent) return;
    answered(chunk);
    if (!client.destroyed) client.write(chunk);
  });
  for (const [socket, other] of [
    [client, server],
    [server, client],
  ] as const) {
    socket.on('end', () => link.silent || other.end());
    socket.on('error', () => cut(link));
    socket.on('close', () => link.silent || cut(link));
  }
}

function cut({ client, server }: Link): void {
  client.destroy();
  server.destroy();
}

/** Tells of each message of the wire protocol; only the first of a client has no type. */
function createReader(untypedFirst: boolean, tell: (type: string, body: string) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let typed = untypedFirst ? 0 : 1;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= typed + 4) {
      const end = typed + rest.readInt32BE(typed);
      if (rest.length < end) return;
      const type = rest.toString('latin1', 0, typed);
      tell(type, rest.toString('utf8', typed + 4, end));
      rest = rest.subarray(end);
      typed = 1;
    }
  };
}
