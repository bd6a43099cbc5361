import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isAlive } from '../support/proc.ts';
import { exitOf, firstLine, startProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const house = fileURLToPath(new URL('../..', import.meta.url));

/** A house with the real launcher, in which the command line only tells what became of it. */
function houseWithLauncher({ bundled }: { bundled: boolean }): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'src'));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  cpSync(join(house, 'bin'), join(folder, 'bin'), { recursive: true });
  if (bundled) symlinkSync(join(house, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(
    join(folder, 'src', 'cli.ts'),
    `const told: { node: string; pid: number; args: string[] } =
       { node: process.versions.node, pid: process.pid, args: process.argv.slice(2) };
     if (told.args[0] === 'stay') {
       setInterval(() => {}, 60_000);
       for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => process.exit(3));
     }
     console.log(JSON.stringify(told));
     if (told.args[0] === 'exit') process.exit(7);
     if (told.args[0] === 'die') process.kill(process.pid, 'SIGKILL');`,
  );
  return join(folder, 'bin', 'taskejo.js');
}

/** This Node, made to look like an older one to the script that it runs: the same path on every machine. */
const pretending = [
  process.execPath,
  '--import',
  `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.0.0'})`,
];

/** A really older Node, where the machine has one. */
function olderNode(): string | undefined {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return candidates.find((file) => {
    const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
    const major = Number(/^v(\d+)/.exec(stdout ?? '')?.[1] ?? 0);
    return major >= 20 && major < 26;
  });
}

const older = olderNode();
const olderNodes = [
  ['a Node that seems older', pretending] as const,
  ...(older ? [['the older Node on PATH', [older]] as const] : []),
];

type Told = { node: string; pid: number; args: string[] };

describe.each(olderNodes)('the launcher under %s', (_, [file, ...flags]) => {
  const launch = (...args: string[]) => startProgram(file, [...flags, houseWithLauncher({ bundled: true }), ...args]);

  test('runs the command line on the bundled Node, with its arguments', async () => {
    const child = launch('exit', '--flag', 'two words', '');
    const told: Told = JSON.parse(await firstLine(child));
    expect(told).toMatchObject({ node: process.versions.node, args: ['exit', '--flag', 'two words', ''] });
    expect(told.pid).not.toBe(child.pid);
    expect(await exitOf(child)).toEqual({ code: 7, signal: null });
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('passes %s on and ends as the program ends', async (signal) => {
    const child = launch('stay');
    const { pid }: Told = JSON.parse(await firstLine(child));
    child.kill(signal);
    expect(await exitOf(child)).toEqual({ code: 3, signal: null });
    expect(isAlive(pid)).toBe(false);
  });

  test('dies of the signal that the program died of', async () => {
    expect(await exitOf(launch('die'))).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('leaves nothing running when it is killed itself', async () => {
    const child = launch('stay');
    const { pid }: Told = JSON.parse(await firstLine(child));
    child.kill('SIGKILL');
    await waitFor(() => !isAlive(pid));
  });

  test('says what is missing when no Node comes with it', async () => {
    const bin = houseWithLauncher({ bundled: false });
    const { status, stderr, stdout } = spawnSync(file, [...flags, bin], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^taskejo needs Node 26 or newer\. This is 20\..*run npm ci without --omit=optional/);
  });
});

test('the launcher under a Node that is new enough starts no second one', async () => {
  const child = startProgram(process.execPath, [houseWithLauncher({ bundled: false }), 'exit']);
  const told: Told = JSON.parse(await firstLine(child));
  expect(told).toMatchObject({ pid: child.pid, args: ['exit'] });
  expect(await exitOf(child)).toEqual({ code: 7, signal: null });
});
