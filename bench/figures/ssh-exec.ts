import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { execute } from '../../src/executor/ssh/channel.ts';
import { type Connection, connect } from '../../src/executor/ssh/connect.ts';
import type { SshHost } from '../../src/executor/ssh/host.ts';
import { pinHostKeys } from '../../src/executor/ssh/host-key.ts';
import { createPool, type Pool } from '../../src/executor/ssh/pool.ts';
import { startSpec } from '../../test/suites/machine-suite.ts';
import { sshHostOf } from '../../test/support/ssh-host.ts';
import { type Sshd, startSshd } from '../../test/support/sshd.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import type { Bench } from '../support/bench.ts';
import { atMost, type FigureRows, quantile, ratios } from '../support/rows.ts';

const AT_ONCE = 100;
const WARM = 3;
const COMMAND = 'true';
const { signal } = new AbortController();

/** The least command on the host, over what is connected and from nothing, in turns with the ssh client doing the same. */
export async function execRows({ folder, sizes, say }: Bench): Promise<FigureRows> {
  await using parts = new AsyncDisposableStack();
  const sshd = parts.adopt(await startSshd({ plain: true }), (one) => one.stop());
  const pool = parts.adopt(createPool({ connect: () => connectTo(sshd) }), (one) => one.close());
  const control = join(folder, 'control');
  const shared = ['-S', control, ...clientWords(sshd)];
  await ssh(['-M', '-S', control, '-f', '-N', ...clientWords(sshd)]);
  parts.defer(async () => void (await ssh(['-O', 'exit', ...shared])));
  const warm = await inTurns(sizes.rounds, sizes.sshExecs, {
    pool: () => overPool(pool),
    client: () => ssh([...shared, COMMAND]),
  });
  say('… warm done');
  const cold = await inTurns(sizes.rounds, Math.ceil(sizes.sshExecs / 2), {
    pool: () => fromNothing(sshd),
    client: () => ssh([...clientWords(sshd), COMMAND]),
  });
  return [
    { title: 'exec over the pool, p50', unit: 'ms', rounds: warm.pool },
    {
      title: 'exec over the pool ÷ ControlMaster, p50',
      unit: '×',
      rounds: ratios(warm.pool, warm.client),
      goal: atMost(0.35),
    },
    { title: 'connect and exec, p50', unit: 'ms', rounds: cold.pool },
    {
      title: 'connect and exec ÷ ssh client, p50',
      unit: '×',
      rounds: ratios(cold.pool, cold.client),
      goal: atMost(0.3),
    },
  ];
}

/** A hundred tasks that begin together, on a sshd that is configured as it comes. */
export async function atOnceRows({ sizes, say }: Bench, sshd: Sshd): Promise<FigureRows> {
  const failed: number[] = [];
  const clientsFailed: number[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const host = sshHostOf(sshd);
    failed.push(await failures(() => durably(host)));
    host.close();
    clientsFailed.push(await failures(() => ssh([...clientWords(sshd), COMMAND])));
    say(`… ${AT_ONCE} at once: ${failed.at(-1)} tasks and ${clientsFailed.at(-1)} ssh clients failed`);
  }
  return [
    { title: `tasks that failed, of ${AT_ONCE} at once`, unit: '', rounds: failed, goal: atMost(0) },
    { title: `ssh clients that failed, of ${AT_ONCE} at once`, unit: '', rounds: clientsFailed },
  ];
}

/** The median of each round in milliseconds. */
export async function inTurns<Who extends string>(
  rounds: number,
  times: number,
  run: Record<Who, () => Promise<void>>,
): Promise<Record<Who, number[]>> {
  const all = Object.keys(run) as Who[];
  const empty = () => Object.fromEntries(all.map((who) => [who, []])) as unknown as Record<Who, number[]>;
  const medians = empty();
  for (let round = 0; round < rounds; round++) {
    const taken = empty();
    for (let n = 0; n < WARM + times; n++) {
      for (const who of all) {
        const began = performance.now();
        await run[who]();
        if (n >= WARM) taken[who].push(performance.now() - began);
      }
    }
    for (const who of all) medians[who].push(quantile(taken[who], 0.5));
  }
  return medians;
}

export const connectTo = ({ port, user, privateKey, hostKeyFingerprint }: Sshd): Promise<Connection> => {
  const to = { address: '127.0.0.1', port, user, privateKey };
  return connect(to, pinHostKeys([hostKeyFingerprint]), { deadlineMs: 10_000, keepaliveMs: 15_000, signal });
};

export async function overPool(pool: Pool): Promise<void> {
  const lease = await pool.lease(signal);
  const how = { stdin: new Uint8Array(), maxBytes: 1_000, repeatable: false, signal };
  await execute(lease.connection, COMMAND, how);
  lease.release();
}

async function fromNothing(sshd: Sshd): Promise<void> {
  const pool = createPool({ connect: () => connectTo(sshd) });
  await overPool(pool);
  pool.close();
}

async function failures(one: () => Promise<unknown>): Promise<number> {
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, one));
  return ended.filter(({ status }) => status === 'rejected').length;
}

async function durably({ machine }: SshHost): Promise<void> {
  const spec = startSpec('exit 0');
  let report = await machine.start(spec, signal);
  if (report.state !== 'done') {
    report = await waitFor(
      async () => {
        const now = await machine.status(spec.attemptId, signal);
        return now.state === 'done' && now;
      },
      { intervalMs: 200 },
    );
  }
  if (report.exitCode !== 0) throw new Error(`ended ${report.state} with ${report.exitCode}`);
  await machine.clean(spec.attemptId, signal);
}

const clientWords = ({ port, user, privateKeyPath }: Sshd): string[] => [
  ...['-F', 'none', '-i', privateKeyPath, '-p', String(port), '-l', user],
  ...[
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
  ].flatMap((option) => ['-o', option]),
  '127.0.0.1',
];

async function ssh(words: readonly string[]): Promise<void> {
  const client = spawn('ssh', words, { stdio: 'ignore' });
  const [code] = (await once(client, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`ssh ended with ${code}`);
}
