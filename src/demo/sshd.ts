import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import type { DemoHost } from './demo-host.ts';
import { DemoError } from './errors.ts';
import { descendants, kill } from './processes.ts';
import { sshBanner } from './ssh-client.ts';
import { fingerprint, makeKey, publicBlob } from './ssh-keys.ts';
import { until } from './until.ts';

/** Where OpenSSH's server is on this machine, if it is. */
export function findSshd(): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  const file = folders.map((folder) => join(folder || '.', 'sshd')).find(isExecutable);
  return file ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export type SshdOptions = { program: string; folder: string; home: string; logFile: string; signal: AbortSignal };

/** A real OpenSSH server on loopback, that lets this user in with a fresh key, into a home of its own. */
export async function startSshd({ program, folder, home, logFile, signal }: SshdOptions): Promise<DemoHost> {
  const hostKey = makeKey();
  const userKey = makeKey();
  const configFile = join(folder, 'sshd_config');
  writeFileSync(join(folder, 'sshd_host_key'), hostKey.private, { mode: 0o600 });
  writeFileSync(join(folder, 'sshd_authorized_keys'), `${userKey.public}\n`, { mode: 0o600 });
  // Where sshd shuts itself in before anybody has signed in.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  let daemon: ChildProcess | null = null;
  const begin = async (port: number) => {
    writeFileSync(configFile, configuration(folder, home, port));
    daemon = spawn(program, ['-D', '-e', '-f', configFile], {
      cwd: home,
      stdio: ['ignore', 'ignore', openSync(logFile, 'a', 0o600)],
      detached: true,
    });
    await answering(daemon, port, signal);
  };
  const end = async () => {
    const ended = daemon;
    daemon = null;
    if (ended === null || ended.pid === undefined || ended.exitCode !== null) return;
    const exited = new Promise((resolve) => ended.once('exit', resolve));
    const sessions = descendants(ended.pid).filter(({ command }) => command.startsWith('sshd'));
    ended.kill('SIGKILL');
    await exited;
    kill(sessions, 'SIGKILL');
  };
  const port = await freePort();
  await begin(port);
  return {
    description: `${await sshBanner(port)} (${program})`,
    port,
    user: userInfo().username,
    privateKey: userKey.private,
    hostKey: fingerprint(publicBlob(hostKey.public)),
    vanish: end,
    comeBack: () => begin(port),
    stop: end,
  };
}

/** HOME is set twice: for what the shell reads when it starts, and for shells that set it anew. */
const configuration = (folder: string, home: string, port: number): string =>
  [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'sshd_host_key')}`,
    `AuthorizedKeysFile ${join(folder, 'sshd_authorized_keys')}`,
    'AuthenticationMethods publickey',
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    `SetEnv HOME=${home}`,
    `ForceCommand cd '${home}'; export HOME='${home}'; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`,
    '',
  ].join('\n');

async function answering(daemon: ChildProcess, port: number, signal: AbortSignal): Promise<void> {
  let failure: string | null = null;
  daemon.once('error', (error) => {
    failure = error.message;
  });
  daemon.once('exit', (code, by) => {
    failure ??= `it ended with ${by ?? `exit code ${code}`}`;
  });
  await until(
    'an answer of sshd',
    async () => {
      if (failure !== null) throw new DemoError(`sshd could not be started: ${failure}`);
      return sshBanner(port).catch(() => null);
    },
    { withinMs: 10_000, everyMs: 50, signal },
  );
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' ? address?.port : undefined;
      probe.close(() => (port === undefined ? reject(new DemoError('there is no free port')) : resolve(port)));
    });
  });
}
