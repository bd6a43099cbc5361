import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export type SeenProcess = { pid: number; parent: number; command: string; arguments: string };

/** Processes of this machine that live; what nobody has waited for yet (a zombie) is dead. */
export function listProcesses(): SeenProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => seen(Number(name)) ?? []);
}

function seen(pid: number): SeenProcess | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return null;
    const command = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return { pid, parent: Number(parent), command, arguments: args };
  } catch {
    return null; // gone while we looked
  }
}

/** The processes whose arguments or current directory hold this text. */
export const aliveWith = (text: string): SeenProcess[] =>
  listProcesses().filter((one) => one.arguments.includes(text) || directoryOf(one).includes(text));

function directoryOf({ pid }: SeenProcess): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return ''; // gone, or another user's
  }
}

/** Ten minutes and a little, to sleep for: seen among the arguments of no other process. */
export const sleepMark = (): string => `600.${Math.floor(Math.random() * 1e9)}`;

/** Processes whose current directory lies in `directory`: all that a test's attempts and supervisors are. */
export function processesIn(directory: string): SeenProcess[] {
  return listProcesses().filter((one) => `${directoryOf(one)}/`.startsWith(`${directory}/`));
}

/** What a process was started with, `NAME=value` each; empty when it is gone or another user's. */
export function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

export const isAlive = (pid: number): boolean => seen(pid) !== null;

/** Ends processes by their ids; one that is gone already is no fault. */
export function killAll(pids: readonly number[], signal: NodeJS.Signals = 'SIGKILL'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // gone
    }
  }
}

/** Ends all that works in a directory, until nothing does. */
export function killProcessesIn(directory: string): void {
  for (let left = processesIn(directory), round = 0; left.length > 0 && round < 100; round += 1) {
    killAll(left.map(({ pid }) => pid));
    left = processesIn(directory);
  }
}

/** A process and all that descend from it. */
export function descendants(root: number): SeenProcess[] {
  const all = listProcesses();
  const below = (pid: number): SeenProcess[] =>
    all.filter((one) => one.parent === pid).flatMap((one) => [one, ...below(one.pid)]);
  return below(root);
}
