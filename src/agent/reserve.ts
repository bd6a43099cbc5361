import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from './exit.ts';
import { writePrivateFile } from './private-files.ts';

/** Space on the store's disk that is held for what must still be written when the disk is full. */
export type Reserve = {
  /** Gives the space up to whoever writes next; answers whether there was any. */
  giveUp(): boolean;
  /** Is there room for more work? Takes the space again where it was given up. */
  hasRoom(): boolean;
};

const RESERVE_BYTES = 8 * 1024 * 1024;
/** New work is taken while so much is free beside the reserve, and again, once it was not, with twice as much. */
const LEAST_FREE_BYTES = 32 * 1024 * 1024;

/** `alsoOn`: folders whose disks need room as well. */
export function createReserve(stateDir: string, alsoOn: readonly string[]): Reserve {
  const path = join(stateDir, 'reserve');
  let had = true;
  const take = (): boolean => {
    if (statSync(path, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return true;
    try {
      writePrivateFile(path, randomBytes(RESERVE_BYTES)); // zeros would take no space on a disk that compresses
      return true;
    } catch (error) {
      if (error instanceof AgentError) return false;
      throw error;
    }
  };
  return {
    giveUp() {
      if (statSync(path, { throwIfNoEntry: false }) === undefined) return false;
      rmSync(path);
      had = false;
      return true;
    },
    hasRoom() {
      const least = had ? LEAST_FREE_BYTES : 2 * LEAST_FREE_BYTES;
      had = [stateDir, ...alsoOn].every((folder) => freeOn(folder) >= least) && take();
      return had;
    },
  };
}

function freeOn(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY; // not made yet, or not to be asked: whoever writes there finds out
  }
}
