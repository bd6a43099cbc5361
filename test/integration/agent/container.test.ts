import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { findProgram as findOnPath } from '../../../src/agent/bounds/find-program.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { endOf, guardedMachine, runOn, specOf } from '../../support/guarded-machine.ts';
import { findProgram, requireProgram } from '../../support/require.ts';
import { waitFor } from '../../support/wait-for.ts';

const IMAGE = 'localhost/taskejo-test:busybox';
const signal = new AbortController().signal;
const SHUT_IN = { sandbox: 'container' } as const;
const SETTINGS = { TASKEJO_AGENT_CONTAINER__IMAGE: IMAGE };
const podman = (...words: string[]) => execFileSync('podman', words, { encoding: 'utf8', stdio: 'pipe' });

/** More than a test may install, so that it is used only where it is. */
const hasPodman = findOnPath('podman', process.env.PATH ?? '') !== null;
/** Null: containers can be run here; else why not. */
let missing = hasPodman ? null : 'podman is missing on this machine';

beforeAll(() => {
  const busybox = findProgram('busybox');
  if (!hasPodman || busybox === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), 'taskejo-image-'));
  try {
    mkdirSync(join(folder, 'bin'));
    copyFileSync(busybox, join(folder, 'bin/busybox'));
    for (const name of ['sh', 'sleep', 'cat', 'env', 'ls', 'tr']) symlinkSync('busybox', join(folder, 'bin', name));
    execFileSync('sh', ['-c', 'tar -C "$1" -c . | podman import - "$2"', 'sh', folder, IMAGE], { stdio: 'pipe' });
    podman('run', '--rm', '--network', 'host', '--pull', 'never', IMAGE, 'sh', '-c', ':');
  } catch (error) {
    missing = `containers can't be run here: ${(error as Error).message}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
afterAll(() => {
  if (hasPodman) execFileSync('podman', ['rmi', '--force', IMAGE], { stdio: 'ignore' });
});

function requireContainers(context: Pick<TestContext, 'skip'>): void {
  requireProgram('busybox', context);
  if (missing !== null) context.skip(missing);
}

const containersOf = (attemptId: string) => podman('ps', '--all', '--quiet', '--filter', `name=${attemptId}`).trim();

describe('a command that is shut in a container', () => {
  test('does its work: input, environment, folders, progress, output and exit code are as without', async (context) => {
    requireContainers(context);
    const { machine } = await guardedMachine(SETTINGS);
    const script = `cat; echo "$GIVEN"; echo here >file; cat "$HOME/file"; echo there >"$TMPDIR/file"; cat /tmp/file
      ls /usr 2>&1; echo 40% >>"$TASKEJO_PROGRESS"; echo '{"a":1}' >"$TASKEJO_OUTPUT"; exit 7`;
    const spec = specOf(script, { ...SHUT_IN, environment: { GIVEN: "it's $HOME", PATH: '/bin' } });
    const { report, stdout } = await runOn(machine, spec);
    expect(stdout).toBe("from standard input\nit's $HOME\nhere\nthere\nls: /usr: No such file or directory\n");
    expect(report).toMatchObject({ exitCode: 7, reason: 'exit', left: [], progress: '40%' });
    const output = await machine.output(spec.attemptId, 100, signal);
    expect(Buffer.from(output?.bytes ?? []).toString()).toBe('{"a":1}\n');
    expect(containersOf(spec.attemptId)).toBe('');
  });

  test('leaves no container when it is cancelled, whatever it does against it', async (context) => {
    requireContainers(context);
    const { machine } = await guardedMachine(SETTINGS);
    const spec = specOf('trap "" TERM; echo ready; while :; do sleep 1; done', SHUT_IN);
    await machine.start(spec, signal);
    await waitFor(async () => (await machine.collect(spec.attemptId, 'stdout', 0, 100, signal)).piece !== null);
    expect(containersOf(spec.attemptId)).not.toBe('');
    await machine.cancel(spec.attemptId, 1, signal);
    const { report } = await endOf(machine, spec.attemptId);
    expect(report).toMatchObject({ reason: 'cancel', left: [] });
    expect(containersOf(spec.attemptId)).toBe('');
  });

  test('has failed in its set-up when its image hasn’t the program', async (context) => {
    requireContainers(context);
    const { machine } = await guardedMachine(SETTINGS);
    const { report } = await runOn(machine, specOf('', { ...SHUT_IN, command: ['nosuch'] }));
    expect(report.reason).toBe('setup');
    expect(report.message).toMatch(/^the container could not be started: /);
    const own = await runOn(machine, specOf('exit 127', SHUT_IN));
    expect(own.report).toMatchObject({ reason: 'exit', exitCode: 127 });
  });

  test('is ended when it uses more memory than its limit', async (context) => {
    requireContainers(context);
    const { machine } = await guardedMachine(SETTINGS);
    const limits = { ...NO_LIMITS, memoryBytes: 32 * 1024 * 1024 };
    const { report } = await runOn(machine, specOf('x=$(cat /dev/zero | tr "\\0" x)', { ...SHUT_IN, limits }));
    if (report.reason === 'setup') context.skip('containers have no limits here');
    // Not every version of the program says why it was killed.
    expect([report.exitCode, ['memory', 'exit'].includes(report.reason ?? '')]).toEqual([137, true]);
  });

  test('can’t be steered by a variable of its task outside the container', async (context) => {
    requireContainers(context);
    const { machine } = await guardedMachine(SETTINGS);
    const environment = { CONTAINERS_CONF: '/nowhere', LD_PRELOAD: '/nowhere.so', PATH: '/bin', HOME: '/elsewhere' };
    const { stdout } = await runOn(
      machine,
      specOf('echo $CONTAINERS_CONF $LD_PRELOAD $HOME', { ...SHUT_IN, environment }),
    );
    expect(stdout).toBe('/nowhere /nowhere.so /elsewhere\n');
  });

  test('isn’t begun with a variable that can’t be handed over', async (context) => {
    requireContainers(context);
    const { machine } = await guardedMachine(SETTINGS);
    const spec = specOf('true', { ...SHUT_IN, environment: { KEY: 'two\nlines' } });
    await expect(machine.start(spec, signal)).rejects.toMatchObject({ failureClass: 'setup' });
  });
});

test('an image that the machine hasn’t is a sandbox that it hasn’t', async () => {
  const { machine } = await guardedMachine({ TASKEJO_AGENT_CONTAINER__IMAGE: 'localhost/no-such-image:1' });
  await expect(machine.start(specOf('true', SHUT_IN), signal)).rejects.toMatchObject({
    failureClass: 'setup',
    message: expect.stringMatching(/^the sandbox container is not available: /),
  });
});
