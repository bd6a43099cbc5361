import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { findProgram } from './needed-programs.ts';
import { descendants, killAll, killProcessesIn } from './proc.ts';

export type SshdOptions = {
  /** The shell that runs the executed strings, as a login shell would. */
  shell?: string;
  /** Commands run as sshd itself runs them: by the user's own shell, in the user's own home. */
  plain?: boolean;
  /** More lines of sshd_config. */
  config?: readonly string[];
  /** Types of host key, as ssh-keygen names them. */
  hostKeyTypes?: readonly string[];
  /** Environment of the session, `PATH` for example. */
  environment?: Readonly<Record<string, string>>;
};

export type Sshd = {
  port: number;
  user: string;
  privateKeyPath: string;
  privateKey: string;
  /** Who may sign in, a public key a line. */
  authorizedKeysPath: string;
  /** Of the first type of host key. */
  hostKeyFingerprint: string;
  /** Public key lines of all types. */
  hostKeyLines: string[];
  /** The home of its sessions. A file `.rc` in it is read before each command, as start-up files are. */
  home: string;
  pid: number;
  /** What the daemon has logged; its beginning, if that is very long. */
  said(): string;
  /** Kills the processes that serve connections; the daemon goes on. Answers how many there were. */
  killSessions(): number;
  /** Kills the daemon and its sessions; attempts go on. */
  kill(): Promise<void>;
  /** Starts the daemon again on the same port, with the same keys and home. */
  restart(): Promise<void>;
  /** Ends everything, attempts too, and removes the home. */
  stop(): Promise<void>;
};

/** A real OpenSSH server on loopback, with keys and a home of its own; works for root and for ordinary users. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const program = findProgram('sshd');
  if (program === undefined) throw new Error('no sshd on this machine: install openssh-server');
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-sshd-')));
  const home = join(folder, 'home');
  mkdirSync(home);
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const types = options.hostKeyTypes ?? ['ed25519'];
  for (const type of types) makeKey(join(folder, `host_${type}`), type);
  const privateKeyPath = join(folder, 'user_key');
  makeKey(privateKeyPath, 'ed25519');

  let port = 0;
  let daemon: ChildProcess | null = null;
  let said = '';
  const begin = async () => {
    for (let tries = 1; daemon === null; tries += 1) {
      port ||= await freePort();
      writeFileSync(join(folder, 'sshd_config'), configuration(folder, home, port, types, options));
      daemon = await run(program, join(folder, 'sshd_config'));
      daemon?.stderr?.on('data', (chunk: Buffer) => {
        if (said.length < 100_000) said += chunk.toString();
      });
      if (daemon === null && tries > 5) throw new Error('sshd could not take a port');
      if (daemon === null) port = 0; // somebody else took it between
    }
  };
  const pid = () => daemon?.pid ?? 0;
  const killSessions = () => {
    const sessions = descendants(pid()).filter(({ command }) => command.startsWith('sshd'));
    killAll(sessions.map((one) => one.pid));
    return sessions.length;
  };
  const kill = async () => {
    const ended = daemon;
    if (ended === null) return;
    const sessions = descendants(pid()).filter(({ command }) => command.startsWith('sshd'));
    const closed = new Promise((resolve) => ended.once('exit', resolve));
    ended.kill('SIGKILL');
    await closed;
    killAll(sessions.map((one) => one.pid));
    daemon = null;
  };
  await begin();
  return {
    get port() {
      return port;
    },
    get pid() {
      return pid();
    },
    user: userInfo().username,
    privateKeyPath,
    privateKey: readFileSync(privateKeyPath, 'utf8'),
    authorizedKeysPath: join(folder, 'authorized_keys'),
    said: () => said,
    hostKeyFingerprint: fingerprintOf(join(folder, `host_${types[0]}.pub`)),
    hostKeyLines: types.map((type) => readFileSync(join(folder, `host_${type}.pub`), 'utf8').trim()),
    home,
    killSessions,
    kill,
    restart: begin,
    stop: async () => {
      await kill();
      killProcessesIn(folder);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function makeKey(path: string, type: string): void {
  // A larger key takes a busy machine long to make.
  const size = type === 'rsa' ? ['-b', '2048'] : [];
  execFileSync('ssh-keygen', ['-q', '-t', type, ...size, '-N', '', '-C', 'test', '-f', path]);
}

function fingerprintOf(publicKeyPath: string): string {
  return (
    execFileSync('ssh-keygen', ['-l', '-E', 'sha256', '-f', publicKeyPath], { encoding: 'utf8' }).split(' ')[1] ?? ''
  );
}

function configuration(
  folder: string,
  home: string,
  port: number,
  types: readonly string[],
  { shell = '/bin/sh', config = [], environment = {}, plain = false }: SshdOptions,
): string {
  const exports = Object.entries(environment).map(([name, value]) => `export ${name}='${value}'; `);
  const command = `cd '${home}'; export HOME='${home}'; ${exports.join('')}[ ! -f .rc ] || . ./.rc; exec ${shell} -c "$SSH_ORIGINAL_COMMAND"`;
  writeFileSync(join(folder, 'authorized_keys'), readFileSync(join(folder, 'user_key.pub')));
  return [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...types.map((type) => `HostKey ${join(folder, `host_${type}`)}`),
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    'AuthenticationMethods publickey',
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    'LogLevel INFO',
    'SetEnv SHLVL=1', // else a bash as login shell reads the start-up files of whoever runs the tests
    ...(plain ? [] : [`ForceCommand ${command}`]),
    ...config,
    '',
  ].join('\n');
}

/** Null when the port was taken. */
function run(program: string, config: string): Promise<ChildProcess | null> {
  return new Promise((resolve, reject) => {
    const daemon = spawn(program, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    daemon.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 10_000) said += chunk.toString();
      if (said.includes('Server listening on')) resolve(daemon);
    });
    daemon.once('error', reject);
    daemon.once('exit', () => {
      if (said.includes('Cannot bind') || said.includes('in use')) resolve(null);
      else reject(new Error(`sshd ended: ${said}`));
    });
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
