import { spawn } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { DemoError } from './errors.ts';

const POLICY = '/usr/sbin/policy-rc.d';
const PACKAGE = 'openssh-server';
const FETCH_MS = 40_000;
const MOST_SAID = 10_000;

/** Null where it may be installed, else why not. */
export function whyNotInstallable(): string | null {
  if (process.getuid?.() !== 0) return 'only root could install it';
  if (!existsSync('/usr/bin/apt-get')) return 'there is no apt-get to install it with';
  if (process.env.TASKEJO_NO_INSTALL === '1') return 'TASKEJO_NO_INSTALL=1 forbids to install it';
  return null;
}

/**
 * Installs Debian's openssh-server, without its service being started: no port of the machine is opened. What is
 * fetched has a deadline and ends with the signal; dpkg must not be cut, so it has neither. `watch` is told of the file
 * that must not stay. Answers null, or why it did not work.
 */
export async function installSshd(watch: (file: string) => void, signal: AbortSignal): Promise<string | null> {
  const forbidsServices = !existsSync(POLICY);
  const fetching = () => AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]);
  try {
    await aptGet(['update'], fetching());
    await aptGet(['install', '--download-only', PACKAGE], fetching());
    if (forbidsServices) {
      watch(POLICY);
      writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    }
    await aptGet(['install', PACKAGE], null);
    return null;
  } catch (error) {
    return (error as Error).message;
  } finally {
    if (forbidsServices) rmSync(POLICY, { force: true });
    watch('');
  }
}

const OPTIONS = ['-qq', '--yes', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=60', '-o', 'Acquire::Retries=0'];

/** In a group of its own: Ctrl-C must not reach dpkg. */
function aptGet(args: readonly string[], signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('apt-get', [...OPTIONS, ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
      ...(signal === null ? {} : { signal }),
    });
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-MOST_SAID);
    });
    child.once('error', (error) => reject(signal?.aborted ? new DemoError('it took too long') : error));
    child.once('close', (code) => {
      const [first = ''] = said.trim().split('\n');
      if (code === 0) resolve();
      else reject(new DemoError(`apt-get ${args[0]} ended with ${code}: ${first}`));
    });
  });
}
