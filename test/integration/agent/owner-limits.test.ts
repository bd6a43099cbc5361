import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findLimits, namesOfKept } from '../../../src/agent/bounds/limits.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { taskejo } from '../../support/command-line.ts';
import { guardedMachine, runOn, specOf } from '../../support/guarded-machine.ts';
import { requireSandbox } from '../../support/sandbox.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const WRITES = 'head -c 100000 /dev/zero >file; wc -c <file';

describe('the limits of a machine’s owner', () => {
  test('hold for every command, whatever its task asks; the smaller of both counts', async () => {
    const { machine } = await guardedMachine({ TASKEJO_AGENT_LIMITS__FILE_SIZE_BYTES: '4096' });
    const written = async (fileSizeBytes: number | null) =>
      Number((await runOn(machine, specOf(WRITES, { limits: { ...NO_LIMITS, fileSizeBytes } }))).stdout);
    expect([await written(null), await written(1_000_000), await written(1024)]).toEqual([4096, 4096, 1024]);
  });

  test('hold in a sandbox too', async (context) => {
    requireSandbox(context);
    const { machine } = await guardedMachine({ TASKEJO_AGENT_LIMITS__FILE_SIZE_BYTES: '4096' });
    const { stdout } = await runOn(machine, specOf(WRITES, { sandbox: 'bubblewrap' }));
    expect(Number(stdout)).toBe(4096);
  });
});

test('which limits can be kept is found out by running something under each, which leaves nothing', async () => {
  const folder = temporaryFolder();
  const kept = await findLimits(folder);
  expect(kept.fileSizeBytes).toBeNull();
  expect(namesOfKept(kept)).toContain('file_size_bytes');
  for (const reason of Object.values(kept))
    expect(reason ?? 'not available on this machine').toContain('not available');
  expect(existsSync(join(folder, 'probe'))).toBe(false);
});

test('an agent whose own limits can’t be kept doesn’t start', async (context) => {
  const { cpuPercent } = await findLimits(temporaryFolder());
  if (cpuPercent === null) context.skip('this machine can keep every limit');
  const { code, stderr } = await taskejo(['agent'], {
    env: {
      TASKEJO_AGENT_SERVER__URL: 'http://127.0.0.1:1',
      TASKEJO_AGENT_STATE_DIR: temporaryFolder(),
      TASKEJO_AGENT_LIMITS__CPU_PERCENT: '50',
    },
  });
  expect([code, stderr]).toEqual([2, expect.stringContaining('limits.cpu_percent is set, and not to be had here')]);
});
