import { chmodSync, existsSync, lstatSync, renameSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { AgentError } from '../exit.ts';

/** More than this a socket's name can't be on any system. */
const LONGEST_SOCKET = 103;

/**
 * Listens on a socket that nobody but this user can open, from its first moment on. One that a dead agent left is
 * replaced. @throws {AgentError} when somebody listens there, or it can't be made
 */
export async function listenOnSocket(server: Server, path: string): Promise<() => void> {
  const temporary = `${path}.${process.pid}`;
  if (Buffer.byteLength(temporary) > LONGEST_SOCKET) throw cannot(path, 'its name is too long for a socket');
  if (existsSync(path) && !lstatSync(path).isSocket()) throw cannot(path, 'something else is there');
  if (await answers(path)) throw cannot(path, 'another program listens there');
  rmSync(temporary, { force: true });
  await listening(server, path, { path: temporary });
  try {
    chmodSync(temporary, 0o600);
    renameSync(temporary, path);
  } catch (error) {
    server.close();
    throw cannot(path, (error as Error).message);
  }
  const { ino } = lstatSync(path);
  return () => {
    if (existsSync(path) && lstatSync(path).ino === ino) rmSync(path, { force: true });
  };
}

/** @throws {AgentError} */
export async function listenOnPort(server: Server, address: string): Promise<void> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  await listening(server, address, { host, port: Number(address.slice(at + 1)) });
}

function listening(server: Server, where: string, options: { path: string } | { host: string; port: number }) {
  return new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(cannot(where, error.code ?? error.message));
    server.once('error', onError);
    const before = process.umask(0o177);
    server.listen(options, () => {
      server.off('error', onError);
      resolve();
    });
    process.umask(before);
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const say = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => say(true)).once('error', () => say(false));
  });
}

const cannot = (where: string, why: string): AgentError =>
  new AgentError(`cannot listen on ${where} (local_api): ${why}`);
