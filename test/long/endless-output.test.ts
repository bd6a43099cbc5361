import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from '../../src/executor/machine.ts';
import { type MachineSubject, startSpec, wholeLog } from '../suites/machine-suite.ts';
import { localSubject } from '../support/local-machine.ts';
import { waitFor } from '../support/wait-for.ts';

const MIB = 1024 * 1024;
const HEAD = MIB / 2;
const SEGMENTS = 3;
/** Of the line without an end; ten take two minutes. */
const GB = Number(process.env.ENDLESS_GB ?? 1);
/** Both streams, and the small files beside them. */
const DISK_LIMIT = 2 * (HEAD + SEGMENTS * MIB) + MIB;

describe('a command that prints without end', () => {
  const { signal } = new AbortController();
  let subject: MachineSubject;
  let machine: Machine;
  beforeAll(async () => {
    subject = await localSubject();
    machine = subject.machine();
  });
  afterAll(() => subject.stop());

  /** The most that its folder took on the disk while it ran, and its end. */
  async function run(command: string) {
    const spec = startSpec(command, { timeoutSeconds: 600 });
    await machine.start(spec, signal);
    const folder = join(subject.home, 'machine', 'suite', `a.${spec.attemptId}`);
    let disk = 0;
    const report = await waitFor(
      async () => {
        disk = Math.max(disk, diskOf(folder));
        const now = await machine.status(spec.attemptId, signal);
        return now.state === 'done' && now;
      },
      { timeoutMs: 600_000 },
    );
    return { spec, report, disk };
  }

  test.each([
    ['1 GB of short lines', 'yes 0123456789abcde | head -c 1000000000; exit 3', 1_000_000_000, '0123456789abcde\n'],
    ['gigabytes in one line', `tr '\\0' x </dev/zero | head -c ${GB * 1e9}; exit 3`, GB * 1e9, 'x'.repeat(16)],
  ])(
    'ends by itself with its code after %s: head, tail and total exact, the disk bounded',
    async (_, command, total, unit) => {
      const { spec, report, disk } = await run(command);
      expect(report).toMatchObject({ state: 'done', exitCode: 3, reason: 'exit', logLost: false, left: [] });
      expect(report.streams.stdout.total).toBe(total);
      expect(disk).toBeLessThanOrEqual(DISK_LIMIT);
      const { pieces, gaps } = await wholeLog(machine, spec.attemptId, 'stdout', 0, signal);
      expect(gaps).toEqual([{ from: HEAD, to: report.streams.stdout.keptFrom }]);
      expect(total - report.streams.stdout.keptFrom).toBeGreaterThanOrEqual((SEGMENTS - 1) * MIB - MIB);
      for (const { offset, bytes } of pieces) {
        const expected = Buffer.alloc(bytes.length + unit.length, unit).subarray(offset % unit.length);
        expect(expected.subarray(0, bytes.length).equals(bytes)).toBe(true);
      }
    },
    660_000,
  );
});

/** In bytes; what goes while it is looked at is no fault. */
function diskOf(folder: string): number {
  try {
    return (
      Number(
        execFileSync('du', ['-sk', folder], { stdio: ['ignore', 'pipe', 'ignore'] })
          .toString()
          .split('\t')[0],
      ) * 1024
    );
  } catch {
    return 0;
  }
}
