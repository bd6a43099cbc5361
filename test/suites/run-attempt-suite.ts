import { execFileSync } from 'node:child_process';
import { randomUUIDv7 } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { MachineReport, StartSpec } from '../../src/domain/machine.ts';
import { NO_LIMITS } from '../../src/domain/task.ts';
import { type Machine, MachineError } from '../../src/executor/machine.ts';
import { type AttemptEnd, type Resumed, type RunAttemptOptions, runAttempt } from '../../src/executor/run-attempt.ts';
import { createMemoryControlPlane, type MemoryControlPlane } from '../support/memory-control-plane.ts';
import { aliveWith, sleepMark } from '../support/proc.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';
import type { MachineSubject } from './machine-suite.ts';

const KIB = 1024;
const HEAD = 512 * KIB;
const noLog = { debug() {}, info() {}, warn() {}, error() {} };

/** An attempt of a test: its driver can be taken away and another one put in its place. */
type Trial = {
  spec: StartSpec;
  control: MemoryControlPlane;
  run(more?: Partial<RunAttemptOptions>): Promise<AttemptEnd>;
  /** What a driver left on record. */
  record: { store: Resumed['store']; process: Resumed['process'] };
};

/** What the life of an attempt promises on every machine, against a control plane that keeps the real one's rules. */
export function runAttemptSuite(title: string, open: () => Promise<MachineSubject>): void {
  describe(`an attempt on ${title}`, () => {
    let subject: MachineSubject;
    let machine: Machine;
    const drivers = new Set<AbortController>();
    const signal = new AbortController().signal;

    beforeAll(async () => {
      subject = await open();
      machine = subject.machine();
    });
    afterEach(() => {
      for (const driver of drivers) driver.abort();
      drivers.clear();
    });
    afterAll(async () => {
      await subject?.stop();
    });

    function trial(command: string | string[], more: Partial<StartSpec> = {}): Trial {
      const spec: StartSpec = {
        attemptId: randomUUIDv7(),
        taskId: randomUUIDv7(),
        number: 1,
        installationId: 'suite',
        command: typeof command === 'string' ? ['sh', '-c', command] : command,
        input: new Uint8Array(),
        environment: {},
        limits: NO_LIMITS,
        sandbox: 'none',
        timeoutSeconds: 60,
        killGraceSeconds: 1,
        ...more,
      };
      const control = createMemoryControlPlane(spec.attemptId);
      const record: Trial['record'] = { store: null, process: null };
      const run = (options: Partial<RunAttemptOptions> = {}) => {
        const driver = new AbortController();
        drivers.add(driver);
        return runAttempt({
          plane: control.plane,
          machine,
          spec,
          resume: null,
          renewSeconds: 0.2,
          signal: driver.signal,
          log: noLog,
          hooks: {
            onStarting: async (store) => {
              record.store = store;
            },
            onProcess: async (process) => {
              record.process = process;
            },
          },
          ...options,
        });
      };
      return { spec, control, run, record };
    }

    const resultOf = async (one: Trial, options?: Partial<RunAttemptOptions>) => {
      const end = await one.run(options);
      expect(end.kind).toBe('ended');
      expect(one.control.kept.results).toHaveLength(1);
      return one.control.kept.results[0];
    };
    const running = (one: Trial) => waitFor(() => one.control.kept.process);
    const report = (one: Trial): Promise<MachineReport> => machine.status(one.spec.attemptId, signal);

    describe('ends', () => {
      test('as completed with both streams, its input read and its process reported', async () => {
        const one = trial('cat; echo err >&2', { input: Buffer.from('héllo\n') });
        expect(await resultOf(one)).toMatchObject({ outcome: 'completed', exitCode: 0, error: null });
        expect(one.control.text('stdout')).toBe('héllo\n');
        expect(one.control.text('stderr')).toBe('err\n');
        expect(one.control.kept.process).toEqual(one.record.process);
        expect(one.control.kept.calls[0]).toBe('start');
      });

      test('as failed with its exit code', async () => {
        expect(await resultOf(trial('exit 3'))).toMatchObject({
          outcome: 'failed',
          failureClass: 'exit',
          exitCode: 3,
          leftProcesses: [],
        });
      });

      test('as failed with the name of the signal that ended it', async () => {
        expect(await resultOf(trial('kill -KILL $$'))).toMatchObject({
          outcome: 'failed',
          failureClass: 'signal',
          signal: 'SIGKILL',
          exitCode: null,
        });
      });

      test('as failed in setup, naming the program that is missing', async () => {
        const result = await resultOf(trial(['no-such-program']));
        expect(result).toMatchObject({ outcome: 'failed', failureClass: 'setup' });
        expect(result?.error).toContain('no-such-program');
      });

      test('as failed in setup, never run without what was asked to bound it', async () => {
        const one = trial('echo ran', { sandbox: 'bubblewrap' });
        const error = expect.stringContaining('sandbox bubblewrap');
        expect(await resultOf(one)).toMatchObject({ outcome: 'failed', failureClass: 'setup', error });
        expect((await report(one)).state).toBe('none');
      });

      test('as failed in setup where the machine can not keep a limit, of which the command is not told by running', async () => {
        const one = trial('echo ran', { limits: { ...NO_LIMITS, cpuPercent: 50, processes: 20 } });
        const result = await resultOf(one);
        if (result?.outcome === 'completed') return; // it has a cgroup for them
        expect(result).toMatchObject({ outcome: 'failed', failureClass: 'setup', exitCode: null });
        expect(result?.error).toMatch(/^the limit (cpu_percent|processes) is not available on this machine: /);
        expect((await report(one)).streams.stdout.total).toBe(0);
      });

      test('as failed in setup, never run without a secret that the server has no value of', async () => {
        const one = trial('echo ran');
        one.control.kept.environment = { KEY: { secret: 'GONE' } };
        expect(await resultOf(one)).toMatchObject({ failureClass: 'setup', error: expect.stringContaining('GONE') });
        expect((await report(one)).state).toBe('none');
      });

      test('having found what the task gives it, bytes as they are', async () => {
        const input = Buffer.from(Array.from({ length: 1024 * 1024 }, (_, at) => (at * 7 + (at >> 8)) % 256));
        const one = trial('cksum; printf "%s" "$KEY"', { input });
        one.control.kept.environment = { KEY: 'öpen "$sesame"' };
        expect(await resultOf(one)).toMatchObject({ outcome: 'completed' });
        const sum = execFileSync('cksum', { input, encoding: 'utf8' });
        expect(one.control.text('stdout')).toBe(`${sum}öpen "$sesame"`);
      });

      test('as failed by its timeout, whatever its code', async () => {
        const one = trial('trap "exit 0" TERM; while :; do sleep 0.1; done', { timeoutSeconds: 1 });
        expect(await resultOf(one)).toMatchObject({ outcome: 'failed', failureClass: 'timeout', exitCode: null });
      });

      test('with what it has used: time, time of the processor, memory', async () => {
        const work = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 2.2';
        const { usage } = (await resultOf(trial(work))) ?? {};
        expect(usage).toMatchObject({ wall_seconds: expect.any(Number), cpu_seconds: expect.any(Number) });
        expect(usage?.wall_seconds).toBeGreaterThanOrEqual(2.2);
        expect(usage?.cpu_seconds).toBeGreaterThan(0.01);
        expect(usage?.max_rss_bytes).toBeGreaterThan(100 * KIB);
      });

      test('with what the command left as its output', async () => {
        const one = trial('echo \'{"answer": 42}\' >"$TASKEJO_OUTPUT"');
        expect(await resultOf(one)).toMatchObject({ outcome: 'completed', output: { answer: 42 } });
      });

      test('as lost when what watches the command was killed', async () => {
        const one = trial('sleep 600');
        const run = one.run();
        await running(one);
        const supervisor = aliveWith(`/a.${one.spec.attemptId}`).filter((seen) =>
          seen.arguments.includes(' run suite '),
        );
        expect(supervisor.length).toBeGreaterThan(0);
        for (const { pid } of supervisor) process.kill(pid, 'SIGKILL');
        await run;
        expect(one.control.kept.results).toMatchObject([{ outcome: 'lost', exitCode: null, failureClass: null }]);
        expect((await report(one)).state).toBe('vanished');
      });

      test('as lost when the machine has forgotten what it had started', async () => {
        const one = trial('true');
        one.record.process = { pid: 1, startedAt: '1', bootId: 'b' };
        const end = await one.run({ resume: { store: null, process: one.record.process } });
        expect(end).toMatchObject({ kind: 'ended', result: { outcome: 'lost' } });
        expect((await report(one)).state).toBe('void');
      });
    });

    describe('brings over', () => {
      test('every byte of a short log', async () => {
        const one = trial('i=0; while [ $i -lt 2000 ]; do echo line $i; echo error $i >&2; i=$((i+1)); done');
        await resultOf(one);
        const lines = (word: string) => Array.from({ length: 2000 }, (_, i) => `${word} ${i}\n`).join('');
        expect(one.control.text('stdout')).toBe(lines('line'));
        expect(one.control.text('stderr')).toBe(lines('error'));
      });

      test('the head and the tail of a long log, and says how much lies between', async () => {
        const size = 3_000_000;
        const one = trial(`yes 0123456 | head -c ${size}`);
        await resultOf(one);
        const { next, gaps, bytes } = one.control.kept.streams.stdout;
        expect(next).toBe(size);
        expect(gaps).toEqual([{ from: HEAD, to: size - HEAD }]);
        expect(bytes.toString()).toBe('0123456\n'.repeat((2 * HEAD) / 8));
      });

      test('the newest bytes of a long log while somebody watches', async () => {
        const one = trial('yes 0123456 | head -c 800000; while [ ! -f go ]; do sleep 0.1; done; echo last');
        one.control.follow(true);
        const run = one.run();
        await waitFor(() => one.control.kept.streams.stdout.next === 800_000);
        one.control.askStop('cancel');
        await run;
      });

      test('no secret, wherever its bytes are parted, and what only looked like one', async () => {
        const secret = 'open-sesame';
        const half = Buffer.alloc(HEAD - 6, 'x').toString();
        const one = trial('cat; printf "%s" "$KEY"; printf open-; sleep 0.3; printf "sesame open-ses"', {
          input: Buffer.from(half),
        });
        one.control.kept.environment = { KEY: secret };
        one.control.kept.secret = secret;
        expect(await resultOf(one)).toMatchObject({ outcome: 'completed' });
        expect(one.control.text('stdout').slice(half.length)).toBe(`${'*'.repeat(22)} open-ses`);
        expect(one.control.kept.streams.stdout.gaps).toEqual([]);
      });

      test('what is printed, as it is printed', async () => {
        const one = trial('echo first; exec sleep 600');
        const run = one.run();
        await waitFor(() => one.control.text('stdout') === 'first\n');
        expect((await report(one)).state).toBe('running');
        one.control.askStop('cancel');
        await run;
      });

      test('how far the command says it is', async () => {
        const one = trial('echo "40% reading" >"$TASKEJO_PROGRESS"; exec sleep 600');
        const run = one.run();
        await waitFor(() => one.control.kept.progress.length > 0);
        expect(one.control.kept.progress).toEqual([{ percent: 40, message: 'reading' }]);
        one.control.askStop('cancel');
        await run;
      });
    });

    describe('told to stop', () => {
      test('before it began, never begins', async () => {
        const one = trial('touch ../../../began');
        one.control.askStop('cancel');
        expect(await resultOf(one)).toMatchObject({ outcome: 'cancelled' });
        expect((await report(one)).state).toBe('none');
      });

      test('leaves no process, even of a command that ignores being asked', async () => {
        const mark = sleepMark();
        const one = trial(`trap "" TERM; setsid sleep ${mark} & sleep ${mark}; sleep ${mark}`);
        const run = one.run();
        await waitFor(() => aliveWith(mark).length >= 2);
        one.control.askStop('cancel');
        await run;
        expect(one.control.kept.results).toMatchObject([{ outcome: 'cancelled', exitCode: null }]);
        expect(aliveWith(mark)).toEqual([]);
      });

      test('is ordered to end once, and then only asked whether it has, while the machine sees to it', async () => {
        const asked: string[] = [];
        const noted: Machine = {
          ...machine,
          status(...args) {
            asked.push('status');
            return machine.status(...args);
          },
          cancel(...args) {
            asked.push('cancel');
            return machine.cancel(...args);
          },
        };
        const one = trial('trap "" TERM; echo ready; while :; do sleep 0.1; done', { killGraceSeconds: 3 });
        const run = one.run({ machine: noted });
        await waitFor(() => one.control.text('stdout') === 'ready\n');
        one.control.askStop('cancel');
        await run;
        expect(one.control.kept.results).toMatchObject([{ outcome: 'cancelled' }]);
        expect(asked.join(' ')).toMatch(/cancel status/);
        expect(asked.join(' ')).not.toMatch(/cancel cancel/);
      });

      test('by the program around it, which heard of it first, does not wait for the next renewal', async () => {
        const stop = new AbortController();
        const one = trial('echo first; exec sleep 600');
        const run = one.run({ renewSeconds: 600, stopAsked: stop.signal });
        await waitFor(() => one.control.text('stdout') === 'first\n');
        one.control.askStop('preempted');
        stop.abort('preempted');
        await run;
        expect(one.control.kept.results).toMatchObject([{ outcome: 'cancelled' }]);
      });

      test('keeps a success that came first', async () => {
        const one = trial('exit 0');
        await one.run({ hooks: { onEnded: async () => one.control.askStop('cancel') } });
        expect(one.control.kept.results).toMatchObject([{ outcome: 'completed' }]);
      });

      test("by the machine's owner, says so as a failure of the machinery", async () => {
        const one = trial('sleep 600');
        const run = one.run();
        await running(one);
        await machine.cancel(one.spec.attemptId, 1, signal);
        await run;
        expect(one.control.kept.results).toMatchObject([
          { outcome: 'failed', failureClass: 'infrastructure', error: 'stopped on the machine' },
        ]);
      });

      test('by the owner before it began, is handed back', async () => {
        const one = trial('true');
        expect(await resultOf(one, { handBack: AbortSignal.abort() })).toMatchObject({ outcome: 'released' });
        expect((await report(one)).state).toBe('none');
      });

      test('while nobody drove it, stops when it is found again', async () => {
        const one = trial('sleep 600');
        const first = new AbortController();
        const run = one.run({ signal: first.signal });
        await running(one);
        first.abort();
        expect(await run).toEqual({ kind: 'detached' });
        one.control.askStop('preempted');
        await one.run({ resume: one.record, renewSeconds: 600 });
        expect(one.control.kept.results).toMatchObject([{ outcome: 'cancelled' }]);
      });
    });

    describe('outlives', () => {
      test('its driver: the next one goes on at the byte, and the command never ran twice', async () => {
        const parts = inParts(4);
        const one = trial(parts.command);
        for (let round = 0; round < 3; round++) {
          const driver = new AbortController();
          const before = one.control.kept.streams.stdout.next;
          const run = one.run({ signal: driver.signal, resume: round === 0 ? null : one.record });
          parts.goOn();
          await waitFor(() => one.control.kept.streams.stdout.next > before);
          driver.abort();
          expect(await run).toEqual({ kind: 'detached' });
        }
        parts.goOn();
        expect(await resultOf(one, { resume: one.record })).toMatchObject({ outcome: 'completed', exitCode: 0 });
        expect(one.control.text('stdout')).toBe(parts.text);
        expect(one.control.kept.streams.stdout.gaps).toEqual([]);
      });

      test('its connections', async () => {
        const parts = inParts(4);
        const one = trial(`${parts.command}; exit 4`);
        const run = one.run();
        for (let round = 0; round < 3; round++) {
          const before = one.control.kept.streams.stdout.next;
          parts.goOn();
          await waitFor(() => one.control.kept.streams.stdout.next > before);
          await subject.disconnect();
        }
        parts.goOn();
        await run;
        expect(one.control.kept.results).toMatchObject([{ outcome: 'failed', exitCode: 4 }]);
        expect(one.control.text('stdout')).toBe(parts.text);
      });

      test('a control plane that is away from the start to the end', async () => {
        const go = join(temporaryFolder(), 'go');
        const one = trial(`echo before; until [ -f ${go} ]; do sleep 0.05; done; echo after; exit 5`);
        const run = one.run();
        await running(one);
        one.control.away(true);
        writeFileSync(go, '');
        await waitFor(async () => (await report(one)).state === 'done');
        expect(one.control.kept.results).toEqual([]);
        one.control.away(false);
        await run;
        expect(one.control.kept.results).toMatchObject([{ outcome: 'failed', exitCode: 5 }]);
        expect(one.control.text('stdout')).toBe('before\nafter\n');
      });

      test.each(['start', 'writeLog', 'complete'])('an answer to %s that gets lost', async (call) => {
        const one = trial('echo once');
        one.control.loseAnswers(call, 1);
        expect(await resultOf(one)).toMatchObject({ outcome: 'completed' });
        expect(one.control.text('stdout')).toBe('once\n');
      });

      test('the end of its driver between result and report: the result is said once', async () => {
        const one = trial('exit 6');
        const driver = new AbortController();
        const run = one.run({ signal: driver.signal, hooks: { onEnded: async () => driver.abort() } });
        expect(await run).toEqual({ kind: 'detached' });
        const process = await waitFor(async () => (await report(one)).process);
        const end = await one.run({ resume: { store: null, process } });
        expect(end).toMatchObject({ kind: 'ended', result: { exitCode: 6 } });
        expect(await one.run({ resume: { store: null, process } })).toEqual({ kind: 'ended', result: null });
      });
    });

    describe('whose lease is lost', () => {
      test('is ended on the machine when the machine is our own', async () => {
        const one = trial('sleep 600');
        const run = one.run();
        await running(one);
        one.control.endLease();
        expect(await run).toEqual({ kind: 'lease_lost', result: null });
        expect((await report(one)).state).toBe('done');
        expect(one.control.kept.results).toEqual([]);
      });

      test('is left alone when another replica may drive it', async () => {
        const one = trial('sleep 600');
        const run = one.run({ contactLease: { seconds: 30 } });
        await running(one);
        one.control.endLease();
        expect(await run).toEqual({ kind: 'lease_lost', result: null });
        expect((await report(one)).state).toBe('running');
        await machine.cancel(one.spec.attemptId, 0, signal);
      });

      test('never starts when it was lost before', async () => {
        const one = trial('true');
        one.control.endLease();
        expect(await one.run()).toEqual({ kind: 'lease_lost', result: null });
        expect((await report(one)).state).toBe('none');
      });
    });

    describe('with a lease that is contact', () => {
      test('is not renewed while the machine does not answer, and is again when it does', async () => {
        const one = trial('while :; do echo on; sleep 0.1; done');
        const link = cuttable(machine);
        const run = one.run({ machine: link.machine, contactLease: { seconds: 30 } });
        await waitFor(() => one.control.kept.renewals > 2);
        link.cut();
        const { renewals } = one.control.kept;
        await waitFor(() => link.refused() >= 5); // more than a second, by the waits between two tries
        expect(one.control.kept.renewals).toBeLessThanOrEqual(renewals + 1);
        link.mend();
        await waitFor(() => one.control.kept.renewals > renewals + 1);
        one.control.askStop('cancel');
        await run;
      });

      test('stops driving when its own clock says that the lease has lapsed', async () => {
        const one = trial('sleep 600');
        const clock = { ms: 0 };
        const run = one.run({ contactLease: { seconds: 30 }, now: () => clock.ms });
        await running(one);
        clock.ms += 31_000;
        expect(await run).toEqual({ kind: 'lapsed' });
        expect((await report(one)).state).toBe('running');
        await machine.cancel(one.spec.attemptId, 0, signal);
      });
    });
  });
}

/** A command that prints in so many parts, a few lines in a while each, and before each one waits to be told to go on. */
function inParts(count: number) {
  const folder = temporaryFolder();
  const parts = Array.from({ length: count }, (_, n) => n);
  let next = 0;
  return {
    command:
      `for part in ${parts.join(' ')}; do until [ -f ${folder}/$part ]; do sleep 0.05; done; ` +
      'for line in a b c d e f; do echo $part$line; sleep 0.05; done; done',
    text: parts.flatMap((part) => [...'abcdef'].map((line) => `${part}${line}\n`)).join(''),
    goOn: () => writeFileSync(join(folder, String(next++)), ''),
  };
}

/** The same machine behind a link that can be cut: what is asked then is refused, and live output ends. */
function cuttable(machine: Machine) {
  let down = new AbortController();
  let refused = 0;
  const pass = <A extends unknown[], R>(ask: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (!down.signal.aborted) return await ask(...args);
      refused++;
      throw new MachineError('unreachable', 'the link is cut');
    };
  };
  return {
    machine: {
      ...machine,
      start: pass(machine.start),
      status: pass(machine.status),
      collect: pass(machine.collect),
      cancel: pass(machine.cancel),
      follow: pass((id, from, onPiece, signal) =>
        machine.follow(id, from, onPiece, AbortSignal.any([signal, down.signal])).catch((error: unknown) => {
          signal.throwIfAborted();
          throw new MachineError('unreachable', 'the link was cut', { cause: error });
        }),
      ),
    } as Machine,
    cut: () => down.abort(),
    mend: () => {
      down = new AbortController();
    },
    refused: () => refused,
  };
}
