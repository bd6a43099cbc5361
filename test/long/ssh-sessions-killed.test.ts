import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { StartSpec, Stream } from '../../src/domain/machine.ts';
import { type Machine, MachineError } from '../../src/executor/machine.ts';
import type { SshHost } from '../../src/executor/ssh/host.ts';
import { startSpec } from '../suites/machine-suite.ts';
import { processesIn } from '../support/proc.ts';
import { describeIf } from '../support/require.ts';
import { killSessionsOften } from '../support/session-killer.ts';
import { sshHostOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { waitFor } from '../support/wait-for.ts';

const TASKS = 10;
const LINES = 120;

describeIf('sshd', 'every session of sshd killed again and again', () => {
  const stopping = new AbortController();
  const { signal } = stopping;
  let sshd: Sshd | null = null;
  const hosts: SshHost[] = [];

  afterEach(async () => {
    stopping.abort();
    for (const host of hosts) host.close();
    await sshd?.stop();
  });

  test('each task runs once, its log is whole to the byte, its exit code true', async () => {
    const here = await startSshd();
    sshd = here;
    const machine = () => {
      const host = sshHostOf(here);
      hosts.push(host);
      return host.machine;
    };
    const { killed, stop } = await killSessionsOften(here);
    const specs = Array.from({ length: TASKS }, (_, i) => startSpec(script(i)));
    const results = await Promise.all(specs.map((spec) => drive(spec, machine(), machine())));
    stop();
    results.forEach(({ exitCode, logs }, i) => {
      expect(exitCode).toBe(i + 1);
      expect(logs.stdout).toBe(expected('out'));
      expect(logs.stderr).toBe(expected('err'));
    });
    expect(killed()).toBeGreaterThan(TASKS);
    const runs = join(here.home, '.taskejo', 'suite', 'runs');
    expect(readFileSync(runs, 'utf8').trim().split('\n').sort()).toEqual(specs.map((spec) => spec.taskId).sort());
    await waitFor(() => processesIn(here.home).length === 0, { what: 'nothing is left' });
    expect(uploadsLeft(here.home)).toEqual([]);
  });

  const script = (i: number) =>
    `echo $TASKEJO_TASK_ID >>../../../runs; i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo out $i; echo err $i >&2; sleep 0.02; done; exit ${i + 1}`;
  const expected = (word: string) => Array.from({ length: LINES }, (_, i) => `${word} ${i + 1}\n`).join('');

  /** As the server does it: start until answered, then follow and collect from the byte that is stored. */
  async function drive(spec: StartSpec, starter: Machine, reader: Machine) {
    await insist(() => starter.start(spec, signal));
    const logs: Record<Stream, string> = { stdout: '', stderr: '' };
    const append = async (stream: Stream, offset: number, bytes: Uint8Array) => {
      const text = Buffer.from(bytes).toString('latin1');
      expect(offset).toBeLessThanOrEqual(logs[stream].length);
      logs[stream] += text.slice(logs[stream].length - offset);
    };
    for (;;) {
      const from = { stdout: logs.stdout.length, stderr: logs.stderr.length };
      await reader.follow(spec.attemptId, from, (piece) => append(piece.stream, piece.offset, piece.bytes), signal);
      const report = await insist(() => reader.status(spec.attemptId, signal));
      if (report.state !== 'done') {
        expect(['starting', 'running']).toContain(report.state);
        continue;
      }
      for (const stream of ['stdout', 'stderr'] as const) {
        const { piece } = await insist(() => reader.collect(spec.attemptId, stream, logs[stream].length, 1e6, signal));
        if (piece) await append(stream, piece.offset, piece.bytes);
      }
      return { exitCode: report.exitCode, logs };
    }
  }

  const insist = <T>(asked: () => Promise<T>): Promise<T> =>
    waitFor(async () => {
      try {
        return { answer: await asked() };
      } catch (error) {
        if (error instanceof MachineError && error.kind === 'unreachable') return null;
        throw error;
      }
    }).then(({ answer }) => answer);

  const uploadsLeft = (home: string) =>
    readdirSync(join(home, '.taskejo', 'suite')).flatMap((folder) =>
      folder.startsWith('a.')
        ? readdirSync(join(home, '.taskejo', 'suite', folder)).filter((name) => name.startsWith('in.'))
        : [],
    );
});
