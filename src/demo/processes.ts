import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export type Running = { pid: number; parent: number; command: string };

/** The processes of this machine, as far as they may be seen. */
export const listProcesses = (): Running[] => (existsSync('/proc/self/stat') ? fromProc() : fromPs());

function fromProc(): Running[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = read(`/proc/${name}/stat`);
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (stat === '' || state === 'Z' || state === 'X') return [];
      const command = read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim();
      return [{ pid: Number(name), parent: Number(parent), command }];
    });
}

/** Empty when it is gone, or another user's. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function fromPs(): Running[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,command='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
}

/** What descends from a process, without itself. */
export function descendants(root: number, all: readonly Running[] = listProcesses()): Running[] {
  return all.filter(({ parent }) => parent === root).flatMap((one) => [one, ...descendants(one.pid, all)]);
}

/** Programs that are started with a path in the demo's folder, as they stand in the list of processes. */
const SERVING = /^(?:\S*\/)?(?:sshd|postgres|initdb)\b/;

/**
 * The processes that belong to a demo: those that were given a home in its folder, its sshd and database, and what
 * descends from these. A shell or an editor in which somebody looks at the folder is none of them.
 */
export function processesOf(folder: string): Running[] {
  const all = listProcesses();
  const own = all.filter(({ pid, command }) => {
    if (SERVING.test(command) && command.includes(`${folder}/`)) return true;
    return read(`/proc/${pid}/environ`)
      .split('\0')
      .some((one) => one.startsWith(`HOME=${folder}/`));
  });
  const known = new Map(own.flatMap((one) => [one, ...descendants(one.pid, all)]).map((one) => [one.pid, one]));
  known.delete(process.pid);
  return [...known.values()];
}

/** Ends processes by their ids; one that is gone already is no fault. Answers how many there were. */
export function kill(processes: readonly { pid: number }[], signal: NodeJS.Signals): number {
  return processes.filter(({ pid }) => {
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  }).length;
}
