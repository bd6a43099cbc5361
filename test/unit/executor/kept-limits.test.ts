import { expect, test } from 'vitest';
import type { MachineReport } from '../../../src/domain/machine.ts';
import { findKeptLimits } from '../../../src/executor/kept-limits.ts';
import type { Machine } from '../../../src/executor/machine.ts';

const reporting = (report: Partial<MachineReport>) =>
  ({ start: async () => report as MachineReport }) as unknown as Machine;

test.each([
  ['timeout' as const, 'unreachable'],
  ['machine' as const, 'shell'],
])('a command that does nothing and ends by %s says nothing of limits: %s', async (reason, kind) => {
  const machine = reporting({ state: 'done', reason, exitCode: 143, message: null });
  await expect(findKeptLimits(machine, new AbortController().signal)).rejects.toMatchObject({ kind });
});
