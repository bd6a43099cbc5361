import { execFile } from 'node:child_process';
import { chmod, chown } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';
import type { Binaries } from './binaries.ts';
import { DatabaseStartError } from './errors.ts';

const run = promisify(execFile);

/**
 * How PostgreSQL's programs are run here: it refuses to run as root, and it must not outlive this process.
 * `ownerId` is set when its files must belong to another user; `endsWithParent` is false where the kernel can't
 * see to that.
 */
export type Launcher = {
  prefix: readonly string[];
  ownerId: number | null;
  endsWithParent: boolean;
};

export type CanRun = (command: readonly string[]) => Promise<boolean>;

export type LauncherNeeds = {
  binaries: Binaries;
  dataDir: string;
  platform?: NodeJS.Platform;
  userId?: number;
  canRun?: CanRun | undefined;
};

const nobody = 65534;
// initdb wants a user that has a name; every Linux has this one.
const mappedToNobody = ['unshare', '--user', `--map-user=${nobody}`, `--map-group=${nobody}`];
const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
const untilParentDies = ['setpriv', '--pdeathsig', 'INT'];

/** Finds the way by trying; throws {@link DatabaseStartError} when root has none. */
export async function chooseLauncher(needs: LauncherNeeds): Promise<Launcher> {
  const { platform = process.platform, userId = process.getuid?.() ?? -1, canRun = works } = needs;
  const endsWithParent = platform === 'linux' && (await canRun([...untilParentDies, 'true']));
  const guard = endsWithParent ? untilParentDies : [];
  if (userId === 0 && platform !== 'linux') {
    throw new DatabaseStartError("PostgreSQL can't run as root here; start taskejo as an ordinary user.");
  }
  const suits = userId !== 0 && hasName();
  // In a user namespace PostgreSQL sees an ordinary user, while the files stay whose they are.
  if (!suits && (await canRun([...mappedToNobody, ...guard, 'true']))) {
    return { prefix: [...mappedToNobody, ...guard], ownerId: null, endsWithParent };
  }
  if (userId !== 0) return { prefix: guard, ownerId: null, endsWithParent };
  // `--pdeathsig` last: a change of user resets it.
  await letNobodyIn(needs, canRun);
  return { prefix: [...asNobody, ...guard], ownerId: nobody, endsWithParent };
}

/** Containers often run under a user id that no file knows. */
function hasName(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}

async function letNobodyIn({ binaries, dataDir }: LauncherNeeds, canRun: CanRun): Promise<void> {
  await chmod(dataDir, 0o711); // to reach its own folder in there; the others stay closed
  const reads = await canRun([...asNobody, 'test', '-r', binaries.postgres]);
  const reachable = reads && (await canRun([...asNobody, 'test', '-x', dataDir]));
  if (reachable) return;
  throw new DatabaseStartError(
    `PostgreSQL can't run as root, and the user nobody can't reach ${binaries.postgres} and ${dataDir}; ` +
      'start taskejo as an ordinary user, or set DATABASE_URL to a PostgreSQL 15 or newer.',
  );
}

/** Gives files to the user that PostgreSQL runs as. */
export async function giveTo(launcher: Launcher, path: string): Promise<void> {
  if (launcher.ownerId !== null) await chown(path, launcher.ownerId, launcher.ownerId);
}

async function works([program = '', ...args]: readonly string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  );
}
