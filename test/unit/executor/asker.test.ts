import { describe, expect, test } from 'vitest';
import { MachineError, NotSent } from '../../../src/executor/machine.ts';
import { createShellMachine } from '../../../src/executor/wrapper/shell-machine.ts';
import type { RunResult, Transport } from '../../../src/executor/wrapper/transport.ts';
import { startSpec } from '../../suites/machine-suite.ts';

const { signal } = new AbortController();
const silence: RunResult = { stdout: Buffer.alloc(0), stderr: Buffer.from('Cannot fork'), exitCode: 2 };

/** A machine whose shell ends without an answer; what comes after that fails like this, or says this. */
function machineOf(failing: { install?: Error; again?: Error; says?: string }) {
  let runs = 0;
  const transport: Transport = {
    async run() {
      if (++runs > 1 && failing.again) throw failing.again;
      return runs > 1 && failing.says ? { ...silence, stdout: Buffer.from(failing.says), exitCode: 0 } : silence;
    },
    async install() {
      if (failing.install) throw failing.install;
    },
  };
  return createShellMachine(transport, { installationId: 'any' });
}

describe('a shell that ends without an answer, so that the script is sent anew', () => {
  const unwritable = { install: new MachineError('home', 'no more processes') };
  const away = { again: new NotSent('unreachable', 'the host is away') };

  const full = { says: 'taskejo1 ! disk_full the disk is full\n' };

  test.each([unwritable, away, full])('may have begun a start, though that fails: %o', async (failing) => {
    const error = await machineOf(failing)
      .start(startSpec('true'), signal)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MachineError);
    expect(error).not.toBeInstanceOf(NotSent);
    expect(error).toMatchObject({ kind: 'unreachable' });
  });

  test('is one whose home can not be written, for who asks what may be asked twice', async () => {
    await expect(machineOf(unwritable).ping(signal)).rejects.toMatchObject({ kind: 'home' });
  });
});
