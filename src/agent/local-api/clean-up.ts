import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cleanup } from '../../contract/local-api.ts';
import { AppError } from '../../domain/errors.ts';
import type { Machine } from '../../executor/machine.ts';
import { attemptFolder } from '../bounds/places.ts';
import { cleanAttempts, type Uncleaned } from '../clean-attempts.ts';
import type { AgentConfig } from '../config.ts';
import type { AgentStore } from '../store.ts';

export type CleanerDeps = {
  config: Pick<AgentConfig, 'workDir'>;
  installationId: string;
  store: AgentStore;
  machine: Machine;
  signal: AbortSignal;
};

/** Removes what ended attempts left on the disk, now; or only says what that would be. */
export function createCleaner({ config, installationId, store, machine, signal }: CleanerDeps) {
  const sizeOf = (attemptId: string) => bytesIn(attemptFolder(config.workDir, installationId, attemptId));

  return async (dryRun: boolean): Promise<Cleanup> => {
    const found = store.leftBefore(0);
    const items: Cleanup['items'] = [];
    for (const attemptId of found) items.push({ attempt_id: attemptId, bytes: await sizeOf(attemptId) });
    if (!dryRun) refuse(await cleanAttempts({ store, machine }, found, signal));
    if (signal.aborted) throw new AppError('unavailable', 'The agent is stopping; what is not removed yet stays.');
    return { dry_run: dryRun, items, bytes: items.reduce((sum, { bytes }) => sum + bytes, 0) };
  };
}

function refuse([first, ...more]: readonly Uncleaned[]): void {
  if (first === undefined) return;
  const others = more.length === 0 ? '' : `, nor those of ${more.length} others`;
  throw new AppError(
    'unavailable',
    `What ${first.attemptId} left can't be removed${others}: ${first.cause}. The rest is gone.`,
  );
}

/** What is in a folder, links not followed. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await bytesIn(path);
    else
      bytes += await lstat(path).then(
        ({ size }) => size,
        () => 0,
      );
  }
  return bytes;
}
