import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readSelf, writeSelf } from '../../src/agent/identity.ts';
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

/** One that has stripped types, instead of finding that done, holds 15 to 35 MB more than one that has not. */
const SMALL_BYTES = 68e6;

/** What an agent holds that was registered once, when it finds its server away. */
async function heldBytes(launcher: string, home: string): Promise<number> {
  const stateDir = join(home, 'state');
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const identity = { installationId: 'here', agentId: 'me', heartbeatSeconds: 10, registered: null };
  writeSelf({ stateDir }, { ...readSelf({ stateDir }), identity });
  const env = environmentWith({
    HOME: home,
    XDG_CACHE_HOME: undefined,
    NODE_COMPILE_CACHE: undefined,
    TASKEJO_AGENT_SERVER__URL: 'http://127.0.0.1:1',
    TASKEJO_AGENT_STATE_DIR: stateDir,
  });
  const child = startProgram(process.execPath, [launcher, 'agent'], { env });
  let log = '';
  child.stderr?.on('data', (text: Buffer) => {
    log += text.toString();
  });
  await waitFor(() => log.includes('server away'));
  const held = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024;
  child.kill();
  expect((await exitOf(child)).code).toBe(0);
  return held;
}

test('an agent keeps its compiled code in its user’s cache where it can’t beside the packages, and is small at once', async () => {
  const [launcher, home] = [houseOfSomebodyElse(), temporaryFolder()];
  chmodSync(home, 0o700);
  expect(await heldBytes(launcher, home)).toBeLessThan(SMALL_BYTES);
  expect(existsSync(join(home, '.cache/taskejo/compiled'))).toBe(true);
  expect(await heldBytes(launcher, home)).toBeLessThan(SMALL_BYTES);
});

test('a cache that others can write into is not used', async () => {
  const [launcher, home] = [houseOfSomebodyElse(), temporaryFolder()];
  mkdirSync(join(home, '.cache/taskejo'), { recursive: true });
  chmodSync(join(home, '.cache/taskejo'), 0o777);
  expect(await heldBytes(launcher, home)).toBeGreaterThan(SMALL_BYTES);
  expect(existsSync(join(home, '.cache/taskejo/compiled'))).toBe(false);
});
