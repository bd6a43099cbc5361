import { connect } from 'node:net';
import ssh2 from 'ssh2';
import type { DemoHost } from './demo-host.ts';
import { DemoError } from './errors.ts';
import { fingerprint } from './ssh-keys.ts';

/** What an SSH server says first: its name and version. */
export function sshBanner(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let said = '';
    socket.setTimeout(5_000, () => socket.destroy(new DemoError('the SSH server says nothing')));
    socket.once('error', reject);
    socket.once('close', () => reject(new DemoError('the SSH server said nothing')));
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
      const banner = /^SSH-2\.0-([^\r\n]*)\r?\n/m.exec(said)?.[1];
      if (banner === undefined) return;
      resolve(banner.split(' ')[0] ?? '');
      socket.destroy();
    });
  });
}

const WITHIN_MS = 10_000;
const WORD = 'taskejo';

/**
 * Signs in and runs a command that prints one word, as a person would who has just set a host up.
 * @throws {DemoError} when it can't be had, with the reason
 */
export function trySshHost({ port, user, privateKey, hostKey }: DemoHost): Promise<void> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    const end = (failure: string | null) => {
      client.destroy();
      if (failure === null) resolve();
      else reject(new DemoError(failure));
    };
    client.on('error', (error) => end(error.message));
    client.once('close', () => end('the connection was closed'));
    client.once('ready', () => {
      client.exec(`echo ${WORD}`, (error, channel) => {
        if (error) return end(error.message);
        let said = '';
        const add = (bytes: Buffer) => {
          said += bytes.toString();
        };
        channel.on('data', add);
        channel.stderr.on('data', add);
        channel.once('close', () => end(said === `${WORD}\n` ? null : `it said: ${said.trim() || 'nothing'}`));
      });
    });
    client.connect({
      host: '127.0.0.1',
      port,
      username: user,
      privateKey,
      readyTimeout: WITHIN_MS,
      hostVerifier: (key: Buffer) => fingerprint(key) === hostKey,
    });
  });
}
