import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100; // what Linux counts in on every machine that we know

/**
 * Seconds of a processor that a process has had, its own and the kernel's for it, with those of its ended children if
 * asked. Null where /proc isn't.
 */
export function cpuSeconds(pid: number, { withEnded = false } = {}): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    const ticks = fields.slice(11, withEnded ? 15 : 13).reduce((sum, field) => sum + Number(field), 0);
    return ticks / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}

/** Bytes of memory that a process has in use. */
export function residentBytes(pid: number): number | null {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  } catch {
    return null;
  }
}
