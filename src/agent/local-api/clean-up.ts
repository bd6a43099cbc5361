import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cleanup } from '../../contract/local-api.ts';
import { AppError } from '../../domain/errors.ts';
import { type Machine, MachineError } from '../../executor/machine.ts';
import { attemptFolder } from '../bounds/places.ts';
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
    const items: Cleanup['items'] = [];
    const seen = new Set<string>();
    const next = () => store.leftBefore(0).filter((attemptId) => !seen.has(attemptId));
    for (let found = next(); found.length > 0; found = dryRun ? [] : next()) {
      for (const attemptId of found) {
        seen.add(attemptId);
        items.push({ attempt_id: attemptId, bytes: await sizeOf(attemptId) });
        if (dryRun) continue;
        await machine.clean(attemptId, signal).catch(cannot);
        store.forget(attemptId);
      }
    }
    return { dry_run: dryRun, items, bytes: items.reduce((sum, { bytes }) => sum + bytes, 0) };
  };
}

function cannot(error: unknown): never {
  if (!(error instanceof MachineError)) throw error;
  throw new AppError('unavailable', `The files can't be removed: ${error.message}`, { cause: error });
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
