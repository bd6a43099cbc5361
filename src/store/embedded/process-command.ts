import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** The command line of a living process; null when there is none, or only a zombie waits for its parent. */
export async function commandOf(pid: number, platform = process.platform): Promise<string | null> {
  if (platform !== 'linux') return commandByPs(pid);
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  const state = stat?.slice(stat.lastIndexOf(')') + 2)[0];
  if (state === undefined || state === 'Z' || state === 'X') return null;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  return command?.replaceAll('\0', ' ') ?? null;
}

async function commandByPs(pid: number): Promise<string | null> {
  const args = ['-ww', '-o', 'state=,command=', '-p', String(pid)];
  const { stdout } = await promisify(execFile)('ps', args).catch(() => ({ stdout: '' }));
  return /^\s*(Z|$)/.test(stdout) ? null : stdout;
}
