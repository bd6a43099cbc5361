import { expect, test } from 'vitest';
import { DatabaseStartError } from '../../../src/store/embedded/errors.ts';
import { chooseLauncher, type LauncherNeeds } from '../../../src/store/embedded/launcher.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const binaries = { directory: '/packages/pg', initdb: '/packages/pg/initdb', postgres: '/packages/pg/postgres' };
const guard = ['setpriv', '--pdeathsig', 'INT'];
const mapped = ['unshare', '--user', '--map-user=65534', '--map-group=65534'];

/** A machine that offers all programs but those named. */
function machineWithout(...missing: string[]): Pick<LauncherNeeds, 'canRun'> {
  return { canRun: async (command) => !missing.some((part) => command.includes(part)) };
}

function choose(needs: Partial<LauncherNeeds>) {
  return chooseLauncher({ binaries, dataDir: temporaryFolder(), platform: 'linux', userId: 1000, ...needs });
}

test('an ordinary user runs it directly, and it ends with its server', async () => {
  expect(await choose(machineWithout())).toEqual({ prefix: guard, ownerId: null, endsWithParent: true });
});

test('without setpriv, and on macOS, something else must end it', async () => {
  const plain = { prefix: [], ownerId: null, endsWithParent: false };
  expect(await choose(machineWithout('setpriv'))).toEqual(plain);
  expect(await choose({ ...machineWithout(), platform: 'darwin' })).toEqual(plain);
});

test('root runs it in a user namespace of its own', async () => {
  const launcher = await choose({ ...machineWithout(), userId: 0 });
  expect(launcher).toEqual({ prefix: [...mapped, ...guard], ownerId: null, endsWithParent: true });
});

test('root without user namespaces runs it as nobody, to whom its files then belong', async () => {
  const launcher = await choose({ ...machineWithout('unshare'), userId: 0 });
  expect(launcher).toMatchObject({ ownerId: 65534, endsWithParent: true });
  expect(launcher.prefix).toEqual(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...guard]);
});

test.each(['-r', '-x'])('root is told what to do when nobody can not reach what it needs (%s)', async (check) => {
  const refusal = choose({ ...machineWithout('unshare', check), userId: 0 });
  await expect(refusal).rejects.toThrow(DatabaseStartError);
  await expect(refusal).rejects.toThrow(/nobody can't reach .* start taskejo as an ordinary user, or set DATABASE_URL/);
});

test('root on macOS is told to be somebody else', async () => {
  await expect(choose({ ...machineWithout(), platform: 'darwin', userId: 0 })).rejects.toThrow('as an ordinary user.');
});
