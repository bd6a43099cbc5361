import { execFile } from 'node:child_process';
import { chmod, chown } from 'node:fs/promises';
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

const asOrdinaryUser = ['unshare', '--user', '--map-user=1000', '--map-group=1000'];
const nobody = 65534;
const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
const untilParentDies = ['setpriv', '--pdeathsig', 'INT'];

/** Finds the way by trying; throws {@link DatabaseStartError} when root has none. */
export async function chooseLauncher(needs: LauncherNeeds): Promise<Launcher> {
  const { platform = process.platform, userId = process.getuid?.() ?? -1, canRun = works } = needs;
  const endsWithParent = platform === 'linux' && (await canRun([...untilParentDies, 'true']));
  const guard = endsWithParent ? untilParentDies : [];
  if (userId !== 0) return { prefix: guard, ownerId: null, endsWithParent };
  if (platform !== 'linux') {
    throw new DatabaseStartError("PostgreSQL can't run as root here; start taskejo as an ordinary user.");
  }
  // In a user namespace root looks like an ordinary user to PostgreSQL, while the files stay root's.
  if (await canRun([...asOrdinaryUser, ...guard, 'true'])) {
    return { prefix: [...asOrdinaryUser, ...guard], ownerId: null, endsWithParent };
  }
  // `--pdeathsig` last: a change of user resets it.
  await letNobodyIn(needs);
  return { prefix: [...asNobody, ...guard], ownerId: nobody, endsWithParent };
}

async function letNobodyIn({ binaries, dataDir }: LauncherNeeds): Promise<void> {
  await chmod(dataDir, 0o711); // to reach its own folder in there; the others stay closed
  const reachable =
    (await works([...asNobody, 'test', '-r', binaries.postgres])) &&
    (await works([...asNobody, 'test', '-x', dataDir]));
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
