import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './temporary.ts';
import { waitFor } from './wait-for.ts';

export type SshAgent = {
  socket: string;
  /** As `ssh-add` is told: paths of private keys, and flags. */
  add(...words: string[]): void;
  stop(): Promise<void>;
};

/** A real ssh-agent without keys. */
export async function startSshAgent(env: Readonly<Record<string, string>> = {}): Promise<SshAgent> {
  const socket = join(temporaryFolder(), 'agent');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore', env: { ...process.env, ...env } });
  const ended = new Promise<void>((resolve) => agent.once('exit', () => resolve()));
  const stop = async () => {
    agent.kill();
    await ended;
  };
  onTestFinished(stop);
  await waitFor(() => existsSync(socket));
  return {
    socket,
    add: (...words) =>
      void execFileSync('ssh-add', ['-q', ...words], { env: { SSH_AUTH_SOCK: socket }, stdio: 'pipe' }),
    stop,
  };
}
