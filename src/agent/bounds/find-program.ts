import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** What the wrapper gives to commands that say no PATH of their own. */
export const MACHINE_PATH = '/usr/local/bin:/usr/bin:/bin';

/** Where a program is found on a PATH; null: nowhere. What is relative begins in an empty working directory. */
export function findProgram(name: string, path: string): string | null {
  const places = name.includes('/') ? [name] : path.split(':').map((folder) => join(folder || '.', name));
  return places.find((place) => isAbsolute(place) && isProgram(place)) ?? null;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
