import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { StartSpec } from '../../../src/domain/machine.ts';
import { createLocalMachine } from '../../../src/executor/local/local-machine.ts';
import type { Machine } from '../../../src/executor/machine.ts';
import { startSpec } from '../../suites/machine-suite.ts';
import { killAll, killProcessesIn, processesIn } from '../../support/proc.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait-for.ts';

const { signal } = new AbortController();
const PROGRAM = `
  import { createLocalMachine } from '${new URL('../../../src/executor/local/local-machine.ts', import.meta.url).href}';
  const [directory, spec] = process.argv.slice(1);
  const machine = createLocalMachine({ directory, installationId: 'suite', ahead: true });
  await machine.start({ ...JSON.parse(spec), input: Buffer.alloc(0) }, new AbortController().signal);
  console.log('started');
  if (process.env.STAY) setInterval(() => {}, 1000);
`;

/** A folder, what waits there for the next start, and what it works in. */
function place() {
  const directory = temporaryFolder();
  onTestFinished(() => killProcessesIn(directory));
  const waiting = (what: 'start' | 'run' | 'task') =>
    processesIn(directory).filter((one) => one.arguments.includes(` ${what} suite `) && !/\/a\./.test(one.arguments));
  const folders = () => readdirSync(join(directory, 'suite')).filter((name) => name.startsWith('in.'));
  const claimOf = ({ attemptId }: StartSpec) =>
    Number(readFileSync(join(directory, 'suite', `a.${attemptId}`, 'claim'), 'utf8').split(' ')[0]);
  return { directory, waiting, folders, claimOf };
}

async function runs(machine: Machine, spec: StartSpec): Promise<void> {
  await machine.start(spec, signal);
  await waitFor(async () => (await machine.status(spec.attemptId, signal)).state === 'done');
  expect(await machine.status(spec.attemptId, signal)).toMatchObject({ reason: 'exit', exitCode: 3, left: [] });
}

/** Runs one attempt, and waits until the next start is ready. */
async function begun() {
  const here = place();
  const machine = createLocalMachine({ directory: here.directory, installationId: 'suite', ahead: true });
  await runs(machine, startSpec('exit 3'));
  const supervisor = await waitFor(() => (here.waiting('task').length === 1 ? here.waiting('run')[0]?.pid : undefined));
  return { ...here, machine, supervisor };
}

test('a start begins in what waits for it, and the next one is made ready', async () => {
  const { machine, supervisor, claimOf, waiting } = await begun();
  const spec = startSpec('exit 3');
  await runs(machine, spec);
  expect(claimOf(spec)).toBe(supervisor);
  await waitFor(() => waiting('task').length === 1);
  expect(waiting('run').map(({ pid }) => pid)).not.toContain(supervisor);
});

test('a start of which a part was killed while it waited is made anew', async () => {
  for (const part of ['start', 'run', 'task'] as const) {
    const { machine, waiting } = await begun();
    killAll(waiting(part).map(({ pid }) => pid));
    const spec = startSpec('exit 3');
    await machine.start(spec, signal).catch(() => {});
    if ((await machine.status(spec.attemptId, signal)).state === 'none') await machine.start(spec, signal);
    const { state, exitCode, reason } = await waitFor(async () => {
      const report = await machine.status(spec.attemptId, signal);
      return report.state === 'done' && report;
    });
    // Killed behind its claim it may not be started once more: that is said, and is no result of the command.
    expect({ part, state, told: exitCode === 3 || reason === 'machine' }).toEqual({ part, state: 'done', told: true });
  }
});

test('a start for a control folder that was wiped while it waited begins nothing, and the next one does', async () => {
  const { machine, directory } = await begun();
  const store = await machine.ping(signal);
  rmSync(join(directory, 'suite'), { recursive: true });
  const spec = startSpec('exit 3');
  await expect(machine.start({ ...spec, store }, signal)).rejects.toMatchObject({ kind: 'store_changed' });
  await runs(machine, { ...spec, store: await machine.ping(signal) });
});

test('what waits for a start ends with the program, and keeps none alive', async () => {
  for (const STAY of ['1', '']) {
    const { directory, waiting, folders } = place();
    const { input: _, ...spec } = startSpec('exit 3');
    const words = ['--input-type=module', '-e', PROGRAM, directory, JSON.stringify(spec)];
    const program = spawn(process.execPath, words, { env: { PATH: process.env.PATH, STAY }, stdio: 'pipe' });
    onTestFinished(() => void program.kill('SIGKILL'));
    const ended = once(program, 'exit');
    await once(program.stdout, 'data');
    if (STAY !== '') {
      await waitFor(() => waiting('task').length === 1);
      program.kill('SIGKILL');
    }
    await ended;
    await waitFor(() => processesIn(directory).length === 0);
    expect(folders()).toEqual([]);
  }
});
