import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import type { ReplicaProcess } from '../usecases/hosts/adopt-attempts.ts';

const UNKNOWN = 'unknown';

const read = (fact: () => string): string => {
  try {
    return fact().trim();
  } catch {
    return UNKNOWN;
  }
};

/** Field 22 of /proc/PID/stat: when the process began, in ticks since the boot. Names may hold spaces and brackets. */
const startedAt = (pid: number): string =>
  read(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
    return state === 'Z' ? 'zombie' : (fields[18] ?? UNKNOWN);
  });

/** This process, so that one that comes after it on this machine can tell that it is gone. */
export function ownProcess(): ReplicaProcess {
  return {
    // Where the machine doesn't tell, a boot of our own: nobody will take us for gone before our lease has lapsed.
    bootId: read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')).replace(UNKNOWN, randomUUID()),
    pidNamespace: read(() => readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    startedAt: startedAt(process.pid),
  };
}

/** Of a process of this boot and pid namespace: has it ended? A pid that was given to another process counts as ended. */
export type IsGone = (process: ReplicaProcess) => boolean;
export const isGone: IsGone = ({ pid, startedAt: began }) => {
  const now = startedAt(pid);
  return now === UNKNOWN ? !isThere(pid) : now !== began;
};

/** Some machines hide the processes of other users, but not that there are any. */
function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
