import { Client, type ClientErrorExtensions, type ConnectConfig } from 'ssh2';
import { MachineError } from '../machine.ts';
import { guard } from '../wrapper/transport.ts';
import { algorithmsOf, fingerprint, keyType, type PinnedHostKeys } from './host-key.ts';

export type Endpoint = {
  address: string;
  port: number;
  user: string;
  privateKey: string;
  passphrase?: string;
};

export type ConnectOptions = { deadlineMs: number; keepaliveMs: number; signal: AbortSignal };

/** The host showed a key that isn't pinned; nothing was sent to it. */
class WrongKey extends MachineError {
  readonly shown: string;
  constructor(shown: Buffer, pinned: PinnedHostKeys) {
    super('host_key', `the host showed ${keyType(shown)} ${fingerprint(shown)}, pinned is ${pinned.text}`);
    this.shown = keyType(shown);
  }
}

/** The host can't show a key of the types asked for. */
class NoSuchKey extends MachineError {
  constructor(types: readonly string[]) {
    super('host_key', `the host has no key of a pinned type (${types.join(', ')})`);
  }
}

/**
 * Opens an authenticated connection to a host that shows a pinned key. A bare fingerprint doesn't say its type: then
 * the types are asked one after the other until one matches, each time before authentication.
 * Throws {@link MachineError}: `unreachable`, `host_key`, `auth` or `configuration`.
 */
export async function connect(endpoint: Endpoint, pinned: PinnedHostKeys, options: ConnectOptions): Promise<Client> {
  let untried = [...pinned.types];
  let asked = untried;
  let wrong: MachineError | null = null;
  for (;;) {
    try {
      return await connectOnce(endpoint, pinned, asked, options);
    } catch (error) {
      if (!pinned.typeUnknown || !(error instanceof WrongKey || error instanceof NoSuchKey)) throw error;
      if (error instanceof WrongKey) wrong = error;
      const gone = error instanceof WrongKey ? error.shown : asked[0];
      untried = untried.filter((type) => type !== gone);
      asked = untried.slice(0, 1);
      if (asked.length === 0) throw wrong ?? error;
    }
  }
}

function connectOnce(
  endpoint: Endpoint,
  pinned: PinnedHostKeys,
  types: readonly string[],
  options: ConnectOptions,
): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new Client();
    let wrong: WrongKey | null = null;
    let settled = false;
    const settle = (error: Error | null) => {
      if (settled) return;
      settled = true;
      release();
      if (!error) return resolve(client);
      client.destroy();
      reject(error);
    };
    const release = guard(options, settle);
    const verify = (key: Buffer) => {
      if (pinned.matches(key)) return true;
      wrong = new WrongKey(key, pinned);
      return false;
    };
    client.setMaxListeners(0);
    // Stays for the life of the connection: an error without a listener would end the process.
    client.on('error', (error) => settle(wrong ?? classify(error, types)));
    client.once('connect', () => client.setNoDelay(true)); // else each step of the handshake waits for a delayed ACK
    client.once('ready', () => settle(null));
    client.once('close', () => settle(wrong ?? new MachineError('unreachable', 'the host closed the connection')));
    try {
      client.connect(connectConfig(endpoint, types, verify, options));
    } catch (error) {
      settle(new MachineError('configuration', message(error), { cause: error }));
    }
  });
}

function connectConfig(
  endpoint: Endpoint,
  types: readonly string[],
  hostVerifier: (key: Buffer) => boolean,
  options: ConnectOptions,
): ConnectConfig {
  return {
    host: endpoint.address,
    port: endpoint.port,
    username: endpoint.user,
    privateKey: endpoint.privateKey,
    ...(endpoint.passphrase === undefined ? {} : { passphrase: endpoint.passphrase }),
    authHandler: ['publickey'],
    algorithms: { serverHostKey: algorithmsOf(types) },
    hostVerifier,
    readyTimeout: options.deadlineMs,
    keepaliveInterval: options.keepaliveMs,
    keepaliveCountMax: 3,
  };
}

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

function classify(error: Error & ClientErrorExtensions, types: readonly string[]): MachineError {
  const cause = { cause: error };
  if (error.level === 'client-authentication')
    return new MachineError('auth', 'the host refused the key of this user', cause);
  if (error.message.includes('no matching host key format')) return new NoSuchKey(types);
  return new MachineError('unreachable', error.message, cause);
}
