import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { busyPercent, createMetricsReader } from '../../../src/agent/metrics/machine-metrics.ts';
import { machineMetrics } from '../../../src/contract/agent.ts';
import { temporaryFolder } from '../../support/temporary.ts';

/** A machine whose `nvidia-smi` is this script. */
function machineWith(script: string | null) {
  const folder = temporaryFolder();
  if (script !== null) writeFileSync(join(folder, 'nvidia-smi'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  let nowMs = 0;
  const read = createMetricsReader({ folder, path: `${folder}:/usr/bin:/bin`, nowMs: () => nowMs });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { folder, read, pass };
}

const TWO_CARDS = `test "$*" = '--query-gpu=index,name,utilization.gpu,memory.used,memory.total,temperature.gpu --format=csv,noheader,nounits' &&
printf '%s\\n' '0, NVIDIA RTX 4090, 83, 20123, 24564, 71' '1, Tesla, old, [N/A], 1, 2048, [N/A]'`;

describe('the metrics of a machine', () => {
  test('say processors, memory, disk and load, as a heartbeat may say them', async () => {
    const said = await machineWith(null).read();
    expect(machineMetrics.parse(said)).toEqual(said);
    expect(said.memory_used_bytes).toBeGreaterThan(0);
    expect(said.memory_total_bytes).toBeGreaterThan(said.memory_used_bytes ?? 0);
    expect(said.disk_total_bytes).toBeGreaterThanOrEqual(said.disk_free_bytes ?? 0);
    expect(said.load_1m).toBeGreaterThanOrEqual(0);
    expect(said).not.toHaveProperty('gpus');
  });

  test('say what each GPU does where nvidia-smi answers, and null for what a card doesn’t know', async () => {
    const { gpus } = machineMetrics.parse(await machineWith(TWO_CARDS).read());
    const MIB = 1024 * 1024;
    expect(gpus).toEqual([
      {
        index: 0,
        name: 'NVIDIA RTX 4090',
        utilization_percent: 83,
        memory_used_bytes: 20_123 * MIB,
        memory_total_bytes: 24_564 * MIB,
        temperature_celsius: 71,
      },
      {
        index: 1,
        name: 'Tesla, old',
        utilization_percent: null,
        memory_used_bytes: MIB,
        memory_total_bytes: 2048 * MIB,
        temperature_celsius: null,
      },
    ]);
  });

  test('leave a nvidia-smi alone for a minute that failed', async () => {
    const { folder, read, pass } = machineWith('exit 9');
    await read();
    writeFileSync(join(folder, 'nvidia-smi'), `#!/bin/sh\n${TWO_CARDS}\n`, { mode: 0o755 });
    pass(59_000);
    expect(await read()).not.toHaveProperty('gpus');
    pass(2_000);
    expect((await read()).gpus).toHaveLength(2);
  });

  test('come without GPUs when nvidia-smi hangs', async () => {
    expect(await machineWith('exec sleep 600').read()).not.toHaveProperty('gpus');
  });

  test('tell the share of processors since the reading before', () => {
    expect(busyPercent({ busyMs: 0, allMs: 0 }, { busyMs: 250, allMs: 1_000 })).toBe(25);
    expect(busyPercent({ busyMs: 5, allMs: 10 }, { busyMs: 5, allMs: 10 })).toBeNull();
  });
});
