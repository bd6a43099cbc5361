import { execFile } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Reporter, Vitest } from 'vitest/node';
import { isFullRun } from './full-run.ts';
import { findProgram, type ProgramName, programs } from './needed-programs.ts';

const run = promisify(execFile);
const policy = '/usr/sbin/policy-rc.d';

/** Before a run of all tests: installs what they need of the machine. A reporter alone learns early which tests run. */
export default function installingReporter(): Reporter {
  let vitest: Vitest | undefined;
  return {
    onInit(started) {
      vitest = started;
    },
    async onTestRunStart(specifications) {
      if (await isFullRun(vitest, specifications)) await installMissingPrograms();
    },
  };
}

/** Installs what is missing, where that is possible: as root, with apt-get, and not forbidden by TASKEJO_NO_INSTALL. */
async function installMissingPrograms(): Promise<void> {
  const missing = (Object.keys(programs) as ProgramName[]).filter((name) => findProgram(name) === undefined);
  if (missing.length === 0 || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  if (process.env.TASKEJO_NO_INSTALL === '1') return;
  const packages = missing.map((name) => programs[name].debian);
  console.log(`installing for the tests: ${packages.join(', ')} (TASKEJO_NO_INSTALL=1 forbids it)`);
  // Tests start their own servers; the package must not open a port of the machine.
  const forbidsServices = !existsSync(policy);
  if (forbidsServices) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await aptGet(['update'], 120_000);
    await aptGet(['install', '--yes', '--no-install-recommends', ...packages], 600_000);
  } catch (error) {
    console.warn(`not installed, so the tests that need it will be skipped: ${error}`);
  } finally {
    if (forbidsServices) rmSync(policy, { force: true });
  }
}

async function aptGet(args: string[], timeout: number): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['-qq', ...args], { env, timeout, maxBuffer: 64 * 1024 * 1024 });
}
