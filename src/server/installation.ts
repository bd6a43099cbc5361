import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { Deps } from '../usecases/deps.ts';
import { keepAgeing } from '../usecases/upkeep/keep-ageing.ts';
import { type Installation, prepareInstallation } from '../usecases/upkeep/prepare-installation.ts';
import { StartError } from './start-error.ts';

/** Makes what a new database lacks, and brings the ranks of waiting tasks to the configured ageing. */
export async function prepare(config: Config, deps: Deps, log: Log, signal: AbortSignal): Promise<Installation> {
  const path = join(config.dataDir, 'admin-token');
  const keep = config.adminToken === null ? (token: string) => keepSecret(path, token) : null;
  const { installation, adminToken } = await prepareInstallation(deps, keep);
  if (adminToken !== null)
    log.warn({ path }, `made the first admin token, shown only here and kept in a file: ${adminToken}`);
  const ageing = await keepAgeing(deps, signal);
  if (ageing !== null && ageing.before !== null)
    log.warn(ageing, 'the ageing of waiting tasks changed, for all replicas');
  return installation;
}

/** A file that only its owner can read, and that is there whole or not at all. */
async function keepSecret(path: string, secret: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const draft = await open(`${path}.new`, 'w', 0o600);
    await draft.chmod(0o600);
    await draft.writeFile(`${secret}\n`);
    await draft.sync();
    await draft.close();
    await rename(`${path}.new`, path);
  } catch (error) {
    throw new StartError(`The admin token can't be kept in ${path} (${(error as Error).message}).`, { cause: error });
  }
}
