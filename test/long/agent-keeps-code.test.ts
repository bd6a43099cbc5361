import { chmodSync, cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { environmentOf } from '../support/proc.ts';
import { environmentWith, exitOf, startProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const house = fileURLToPath(new URL('../..', import.meta.url));

/** The real program, beside whose packages nobody can write. */
function houseOfSomebodyElse(): string {
  const folder = temporaryFolder();
  cpSync(join(house, 'bin'), join(folder, 'bin'), { recursive: true });
  for (const name of ['src', 'package.json']) symlinkSync(join(house, name), join(folder, name));
  mkdirSync(join(folder, 'node_modules'));
  writeFileSync(join(folder, 'node_modules', '.cache'), '');
  return join(folder, 'bin', 'taskejo.js');
}

/** Starts an agent whose server is away; answers whether it began anew once its code was compiled. */
async function beganAnew(launcher: string, home: string): Promise<boolean> {
  const env = environmentWith({
    HOME: home,
    XDG_CACHE_HOME: undefined,
    NODE_COMPILE_CACHE: undefined,
    TASKEJO_AGENT_SERVER__URL: 'http://127.0.0.1:1',
    TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN: 'any',
    TASKEJO_AGENT_STATE_DIR: join(home, 'state'),
  });
  const child = startProgram(process.execPath, [launcher, 'agent'], { env });
  let log = '';
  child.stderr?.on('data', (text: Buffer) => {
    log += text.toString();
  });
  await waitFor(() => log.includes('server away'));
  const environment = environmentOf(child.pid ?? 0);
  child.kill();
  expect((await exitOf(child)).code).toBe(0);
  return environment.includes('TASKEJO_BEGUN_ANEW=1');
}

test('an agent keeps its compiled code in its user’s cache where it can’t beside the packages, and begins with it', async () => {
  const [launcher, home] = [houseOfSomebodyElse(), temporaryFolder()];
  chmodSync(home, 0o700);
  expect(await beganAnew(launcher, home)).toBe(true);
  expect(existsSync(join(home, '.cache/taskejo/compiled'))).toBe(true);
  expect(await beganAnew(launcher, home)).toBe(false);
});

test('a cache that others can write into is not used', async () => {
  const [launcher, home] = [houseOfSomebodyElse(), temporaryFolder()];
  mkdirSync(join(home, '.cache/taskejo'), { recursive: true });
  chmodSync(join(home, '.cache/taskejo'), 0o777);
  expect(await beganAnew(launcher, home)).toBe(false);
  expect(existsSync(join(home, '.cache/taskejo/compiled'))).toBe(false);
});
