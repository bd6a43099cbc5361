import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { isGone, ownProcess } from '../../../src/loops/replica-process.ts';
import { exitOf } from '../../support/programs.ts';

it.runIf(existsSync('/proc/self/stat'))('this process is not gone, and one with its pid but another start is', () => {
  const own = ownProcess();
  expect(own).toMatchObject({ pid: process.pid, bootId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  expect(isGone(own)).toBe(false);
  expect(isGone({ ...own, startedAt: '1' })).toBe(true);
});

it('a process that has ended is gone', async () => {
  const child = spawn('sleep', ['600']);
  const process = { ...ownProcess(), pid: child.pid ?? 0 };
  child.kill('SIGKILL');
  await exitOf(child);
  expect(isGone(process)).toBe(true);
});
