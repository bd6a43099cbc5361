import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { endProcesses } from '../../../src/demo/clean-up.ts';
import { processesOf } from '../../../src/demo/processes.ts';
import { isAlive } from '../../support/proc.ts';
import { exitOf, startProgram } from '../../support/programs.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait-for.ts';

const GUARDIAN = fileURLToPath(new URL('../../../src/demo/guardian.ts', import.meta.url));
const sleeper = (home: string, cwd: string) =>
  startProgram('sleep', ['600'], { cwd, env: { HOME: home, PATH: process.env.PATH }, detached: true });

describe('what a demo leaves behind', () => {
  test('is ended, but not a shell in which somebody looks at its folder', async () => {
    const folder = temporaryFolder();
    const task = sleeper(`${folder}/host`, '/');
    const onlooker = sleeper('/elsewhere', folder);
    await waitFor(() => processesOf(folder).some(({ pid }) => pid === task.pid));
    await endProcesses(folder, 5_000);
    expect(await exitOf(task)).toMatchObject({ signal: 'SIGKILL' });
    expect(isAlive(onlooker.pid ?? 0)).toBe(true);
  });

  test('is ended and removed by the guardian when the demo is gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'taskejo-test-'));
    const file = join(temporaryFolder(), 'must-not-stay');
    writeFileSync(file, '');
    mkdirSync(join(folder, 'logs'));
    const task = sleeper(`${folder}/agent/work`, '/');
    const guardian = guard();
    guardian.stdin?.end(`folder ${folder}\nfile ${file}\n`);
    expect(await exitOf(guardian)).toMatchObject({ code: 0 });
    expect(await exitOf(task)).toMatchObject({ signal: 'SIGKILL' });
    expect([existsSync(folder), existsSync(file)]).toEqual([false, false]);
  });

  test('is none of the business of a guardian that was dismissed', async () => {
    const folder = temporaryFolder();
    const task = sleeper(`${folder}/host`, '/');
    const guardian = guard();
    guardian.stdin?.end(`folder ${folder}\ndone\n`);
    expect(await exitOf(guardian)).toMatchObject({ code: 0 });
    expect([existsSync(folder), isAlive(task.pid ?? 0)]).toEqual([true, true]);
  });
});

function guard() {
  const guardian = spawn(process.execPath, [GUARDIAN], { stdio: ['pipe', 'ignore', 'ignore'] });
  onTestFinished(() => void guardian.kill('SIGKILL'));
  return guardian;
}
