import { spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import { fingerprint, makeKey, publicBlob } from './ssh-keys.ts';

const { Server, utils } = ssh2;

export type LoopbackSshHost = {
  port: number;
  user: string;
  hostKeyFingerprint: string;
  privateKey: string;
  /** Ends every connection, as if the host had gone; what runs there goes on. */
  cut(): void;
  /** Takes no connections and ends those there are, until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
};

export type LoopbackSshHostOptions = { home: string };

const USER = 'demo';

/**
 * An SSH host inside this process, on loopback, for machines without sshd: it lets in one fresh key and runs what it
 * is told through `sh -c` in `home`, as sshd would.
 */
export async function startLoopbackSshHost({ home }: LoopbackSshHostOptions): Promise<LoopbackSshHost> {
  const hostKey = makeKey();
  const userKey = makeKey();
  const allowed = publicBlob(userKey.public);
  const connections = new Set<Connection>();
  const server = new Server({ hostKeys: [hostKey.private] }, (connection) => {
    connections.add(connection);
    serve(connection, allowed, home);
    connection.once('close', () => connections.delete(connection));
  });
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  const cut = () => {
    for (const connection of connections) connection.end();
  };
  const pause = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      cut();
    });
  const port = await listen(0);
  return {
    port,
    user: USER,
    hostKeyFingerprint: fingerprint(publicBlob(hostKey.public)),
    privateKey: userKey.private,
    cut,
    pause,
    resume: async () => void (await listen(port)),
    stop: pause,
  };
}

function serve(connection: Connection, allowed: Buffer, home: string): void {
  connection.on('error', () => {}); // a connection that breaks is simply gone
  connection.on('authentication', (request) => {
    if (request.method !== 'publickey' || request.username !== USER) return request.reject(['publickey']);
    const known = request.key.data.equals(allowed);
    const signed = request.signature && request.blob ? verify(request) : true;
    if (known && signed) request.accept();
    else request.reject(['publickey']);
  });
  connection.on('session', (accept) => {
    accept().on('exec', (acceptExec, _reject, { command }) => execute(acceptExec(), command, home));
  });
}

function verify({ key, blob, signature, hashAlgo }: ssh2.PublicKeyAuthContext): boolean {
  const parsed = utils.parseKey(`${key.algo} ${key.data.toString('base64')}`);
  if (parsed instanceof Error || !blob || !signature) return false;
  return (Array.isArray(parsed) ? parsed[0] : parsed)?.verify(blob, signature, hashAlgo) === true;
}

function execute(channel: ServerChannel, command: string, home: string): void {
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: home, LANG: 'C.UTF-8' };
  const child = spawn('sh', ['-c', command], { cwd: home, env, stdio: 'pipe', detached: true });
  child.stdin.on('error', () => {}); // a command need not read what it is sent
  channel.on('error', () => {});
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.once('close', () => {
    child.stdin.destroy();
    child.stdout.resume();
    child.stderr.resume();
  });
  child.once('error', () => channel.end());
  child.once('close', (code) => {
    if (code !== null) channel.exit(code);
    channel.end();
  });
}
