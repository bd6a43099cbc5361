import type { Socket } from 'node:net';
import type { Operation } from './operation.ts';

/** What waits for longer is begun anew: its folder must not look left behind. */
const FRESH_MS = 3_600_000;
/** What has begun nothing needs but a moment to end. */
const END_MS = 5_000;

/**
 * One operation that was begun ahead and waits for its input. It keeps no program alive, and ends when its input does:
 * with us, however we end.
 */
export type Spare = {
  /** Keeps one, unless one is there. */
  keep(begin: () => Operation): void;
  /** It is the caller's from now on; null where none waits. */
  take(): Operation | null;
  /** Resolves when none is there any more. */
  stop(): Promise<void>;
};

export function createSpare(): Spare {
  let spare: { child: Operation; renewal: NodeJS.Timeout } | null = null;
  const drop = (child: Operation) => {
    if (spare?.child !== child) return;
    clearTimeout(spare.renewal);
    spare = null;
  };
  const spareOf = (begin: () => Operation): typeof spare => {
    const child = begin();
    child.once('exit', () => drop(child)).once('error', () => drop(child));
    hold(child, 'unref');
    const renew = () => {
      child.stdin.end();
      spare = spareOf(begin);
    };
    return { child, renewal: setTimeout(renew, FRESH_MS).unref() };
  };
  const take = () => {
    if (spare === null) return null;
    const { child } = spare;
    drop(child);
    hold(child, 'ref');
    return child;
  };
  return {
    keep(begin) {
      spare ??= spareOf(begin);
    },
    take,
    async stop() {
      const child = take();
      if (child === null) return;
      const over = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
      const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
      child.stdin.end();
      await over;
      clearTimeout(late);
    },
  };
}

/** Whether it keeps this program alive. */
function hold(child: Operation, how: 'ref' | 'unref'): void {
  for (const one of [child, child.stdin, child.stdout, child.stderr] as (Operation | Socket)[]) one[how]();
}
