import { connect as connectSocket, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Client, type ClientErrorExtensions, type ConnectConfig } from 'ssh2';
import { MachineError } from '../machine.ts';
import { guard } from '../wrapper/transport.ts';
import { algorithmsOf, type PinnedHostKeys } from './host-key.ts';
import { createKeySearch, HungUp, NoSuchKey, WrongKey } from './key-search.ts';
import { type Identity, methodOf, NoAgentKey } from './sign-in.ts';

export type Address = { address: string; port: number };
export type Endpoint = Address & Identity & { user: string };

/** How bytes get to an address: straight, or through another host. */
export type Way = (to: Address, signal: AbortSignal) => Promise<Duplex>;

export type ConnectOptions = { deadlineMs: number; keepaliveMs: number; signal: AbortSignal; way?: Way };

/** A connection that is signed in. */
export type Connection = {
  client: Client;
  /** What it runs over. */
  socket: Duplex;
  /** How many bytes have come: whether the other side says anything at all. */
  received(): number;
  /** Says good-bye; from a host that doesn't answer that it parts a little later. */
  end(): void;
  /** Ends it now, whatever the other side does. */
  cut(): void;
};

const FAREWELL_MS = 5_000;

const straight: Way = async ({ address, port }) => connectSocket({ host: address, port });

/**
 * Opens an authenticated connection to a host that shows a pinned key. A bare fingerprint doesn't say its type: then
 * the types are asked one after the other until one matches, each time before authentication. The deadline is for all of
 * it. Throws {@link MachineError}: `unreachable`, `host_key`, `auth` or `configuration`.
 */
export async function connect(to: Endpoint, pinned: PinnedHostKeys, options: ConnectOptions): Promise<Connection> {
  const over = new AbortController();
  const release = guard(options, (error) => over.abort(error));
  const search = createKeySearch(pinned);
  try {
    for (;;) {
      try {
        const socket = await (options.way ?? straight)(to, over.signal);
        const how = { pinned, types: search.asked(), keepaliveMs: options.keepaliveMs, signal: over.signal };
        return await signIn(socket, to, how);
      } catch (error) {
        search.goOn(error);
      }
    }
  } finally {
    release();
  }
}

type SigningIn = { pinned: PinnedHostKeys; types: readonly string[]; keepaliveMs: number; signal: AbortSignal };

function signIn(socket: Duplex, to: Endpoint, how: SigningIn): Promise<Connection> {
  const { pinned, types, signal } = how;
  return new Promise((resolve, reject) => {
    const client = new Client();
    const connection = connectionOf(client, socket);
    let wrong: WrongKey | null = null;
    let settled = false;
    let spoke = false;
    const settle = (error: Error | null) => {
      if (settled) return;
      settled = true;
      release();
      if (!error) return resolve(connection);
      connection.cut();
      reject(spoke && error instanceof MachineError && error.kind === 'unreachable' ? new HungUp(error) : error);
    };
    const release = guard({ signal }, settle);
    const hostVerifier = (key: Buffer) => {
      if (pinned.matches(key)) return true;
      wrong = new WrongKey(key, pinned);
      return false;
    };
    client.setMaxListeners(0);
    // Stays for the life of the connection: an error without a listener would end the process.
    client.on('error', (error) => settle(wrong ?? classify(error, types, to)));
    client.once('connect', () => client.setNoDelay(true)); // else each step of the handshake waits for a delayed ACK
    client.once('ready', () => settle(null));
    client.once('close', () => settle(wrong ?? new MachineError('unreachable', 'the host closed the connection')));
    try {
      socket.once('data', (said: Buffer) => (spoke = said.toString('latin1', 0, 4) === 'SSH-'));
      client.connect({ ...connectConfig(to, how), sock: socket, hostVerifier });
    } catch (error) {
      settle(
        error instanceof MachineError ? error : new MachineError('configuration', message(error), { cause: error }),
      );
    }
  });
}

function connectionOf(client: Client, socket: Duplex): Connection {
  let received = 0;
  socket.setMaxListeners(0);
  socket.on('error', () => {}); // the client tells of it
  client.once('ready', () => socket.on('data', (chunk: Buffer) => (received += chunk.length)));
  const cut = () => {
    socket.destroy();
    // What runs through another host is closed only when that one answers, which it may never do.
    if (!(socket instanceof Socket)) socket.emit('close');
  };
  // A way through another host stays open in the other direction, and no keepalive looks after it any more.
  client.once('end', cut);
  return {
    client,
    socket,
    received: () => received,
    cut,
    end() {
      client.end();
      const timer = setTimeout(cut, FAREWELL_MS).unref();
      client.once('close', () => clearTimeout(timer));
    },
  };
}

const connectConfig = (to: Endpoint, { types, keepaliveMs }: SigningIn): ConnectConfig => ({
  username: to.user,
  authHandler: [methodOf(to, to.user)],
  algorithms: { serverHostKey: algorithmsOf(types) },
  readyTimeout: 0, // ours counts
  keepaliveInterval: keepaliveMs,
  keepaliveCountMax: 3,
});

const REFUSED = 'the host refused the key of this user';
const REFUSED_AGENT = 'the host refused the keys of the ssh-agent (client certificates are not supported)';
const NO_SIGNATURE = 'the ssh-agent does not sign with the key that the host knows';

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

function classify(error: Error & ClientErrorExtensions, types: readonly string[], identity: Identity): MachineError {
  const cause = { cause: error };
  if (error.level === 'agent')
    return new MachineError('auth', error instanceof NoAgentKey ? error.message : NO_SIGNATURE, cause);
  if (error.level === 'client-authentication')
    return new MachineError('auth', 'agentSocket' in identity ? REFUSED_AGENT : REFUSED, cause);
  if (/too many authentication failures/i.test(error.message))
    return new MachineError(
      'auth',
      'the host refused too many keys: say which one of the ssh-agent by public_key',
      cause,
    );
  if (error.message.includes('no matching host key format')) return new NoSuchKey(types);
  return new MachineError('unreachable', error.message, cause);
}
