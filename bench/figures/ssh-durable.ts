import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Machine } from '../../src/executor/machine.ts';
import { createPool } from '../../src/executor/ssh/pool.ts';
import { startSpec } from '../../test/suites/machine-suite.ts';
import { sshHostOf } from '../../test/support/ssh-host.ts';
import { startSshd } from '../../test/support/sshd.ts';
import type { Bench } from '../support/bench.ts';
import { atMost, type FigureRows, ratios } from '../support/rows.ts';
import { connectTo, inTurns, overPool } from './ssh-exec.ts';

const LIMIT = 1024 * 1024;
const { signal } = new AbortController();

/** What it costs that a command can't be lost: all of an attempt that does nothing, in turns with the bare command. */
export async function durableRows({ sizes, say }: Bench): Promise<FigureRows> {
  await using parts = new AsyncDisposableStack();
  parts.defer(cleaning());
  const sshd = parts.adopt(await startSshd({ plain: true }), (one) => one.stop());
  const pool = parts.adopt(createPool({ connect: () => connectTo(sshd) }), (one) => one.close());
  const { machine } = parts.adopt(sshHostOf(sshd), (one) => one.close());
  await machine.ping(signal);
  const taken = await inTurns(sizes.rounds, Math.ceil(sizes.sshExecs / 2), {
    durable: () => attempt(machine),
    bare: () => overPool(pool),
  });
  say('… durable done');
  return [
    { title: 'start, follow and collect a durable `true`, p50', unit: 'ms', rounds: taken.durable },
    {
      title: 'durable `true` ÷ bare exec, p50',
      unit: '×',
      rounds: ratios(taken.durable, taken.bare),
      goal: atMost(10),
    },
  ];
}

/** A sshd as it comes leads to the home of whoever runs this. What was there before stays. */
function cleaning(): () => Promise<void> {
  const folder = join(homedir(), '.taskejo');
  const made = existsSync(folder) ? join(folder, 'suite') : folder;
  return () => rm(made, { recursive: true, force: true });
}

async function attempt(machine: Machine): Promise<void> {
  const spec = startSpec(['true']);
  await machine.start(spec, signal);
  for (;;) {
    await machine.follow(spec.attemptId, { stdout: 0, stderr: 0 }, async () => {}, signal);
    const { report } = await machine.collect(spec.attemptId, 'stdout', 0, LIMIT, signal);
    if (report.state !== 'done') continue;
    if (report.exitCode !== 0) throw new Error(`ended with ${report.exitCode}`);
    return;
  }
}
