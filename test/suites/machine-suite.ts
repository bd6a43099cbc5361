import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { MachineReport, StartSpec, Stream } from '../../src/domain/machine.ts';
import { type Limits, NO_LIMITS } from '../../src/domain/task.ts';
import type { LogPiece, Machine } from '../../src/executor/machine.ts';
import { environmentOf, isAlive, listProcesses, processesIn } from '../support/proc.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

/** One implementation under test. */
export type MachineSubject = {
  /** A new object with connections of its own, as another process would have. */
  machine(): Machine;
  /** Ends the connections of all objects so far, abruptly where there is such a thing. */
  disconnect(): Promise<void>;
  /** The folder in which attempts live. */
  home: string;
  stop(): Promise<void>;
};

const MIB = 1024 * 1024;

/** What every machine promises, however it is reached. */
export function machineSuite(title: string, open: () => Promise<MachineSubject>): void {
  describe(title, () => {
    let subject: MachineSubject;
    let machine: Machine;
    let stopping = new AbortController();
    let signal = stopping.signal;

    beforeAll(async () => {
      subject = await open();
      machine = subject.machine();
    });
    afterEach(() => {
      stopping.abort();
      stopping = new AbortController();
      signal = stopping.signal;
    });
    afterAll(async () => {
      await subject?.stop();
    });

    const start = async (
      command: string | string[],
      more: Partial<StartSpec> = {},
      by = machine,
    ): Promise<StartSpec> => {
      const spec = startSpec(command, more);
      const report = await by.start(spec, signal);
      expect(['starting', 'running', 'done']).toContain(report.state);
      return spec;
    };
    const ended = (attemptId: string, by = machine): Promise<MachineReport> =>
      waitFor(async () => {
        const report = await by.status(attemptId, signal);
        return ['done', 'void', 'vanished', 'rebooted', 'unstarted'].includes(report.state) && report;
      });
    const log = (attemptId: string, stream: Stream, from = 0, by = machine) =>
      wholeLog(by, attemptId, stream, from, signal);
    const finish = async (command: string | string[], more: Partial<StartSpec> = {}) => {
      const spec = await start(command, more);
      const report = await ended(spec.attemptId);
      const text = async (stream: Stream) => (await log(spec.attemptId, stream)).bytes.toString('utf8');
      return { spec, report, stdout: await text('stdout'), stderr: await text('stderr') };
    };

    const processesOf = (spec: StartSpec) =>
      listProcesses().filter(({ pid }) => environmentOf(pid).includes(`TASKEJO_ATTEMPT_ID=${spec.attemptId}`));

    describe('a start', () => {
      test('answers who runs, and the end is told with code, reason and both streams', async () => {
        const spec = startSpec('echo out; echo err >&2; read x; exit 3');
        const report = await machine.start({ ...spec, input: Buffer.from('line\n') }, signal);
        expect(report.process?.pid).toBeGreaterThan(0);
        const last = await ended(spec.attemptId);
        expect(last).toMatchObject({ state: 'done', exitCode: 3, reason: 'exit', left: [], process: report.process });
        expect((await log(spec.attemptId, 'stdout')).bytes.toString()).toBe('out\n');
        expect((await log(spec.attemptId, 'stderr')).bytes.toString()).toBe('err\n');
      });

      test('repeated ten times at once runs once', async () => {
        const spec = startSpec('echo run >>../../../runs-$TASKEJO_TASK_ID; sleep 0.2');
        const machines = Array.from({ length: 10 }, (_, i) => (i % 2 ? machine : subject.machine()));
        const reports = await Promise.all(machines.map((one) => one.start(spec, signal)));
        for (const report of reports) expect(['starting', 'running', 'done']).toContain(report.state);
        const { process } = await ended(spec.attemptId);
        const again = await machine.start(spec, signal);
        expect(again).toMatchObject({ state: 'done', exitCode: 0, process });
        const counted = await finish(`cat ../../../runs-${spec.taskId}`);
        expect(counted.stdout).toBe('run\n');
      });

      test('after clean finds the tombstone and runs nothing', async () => {
        const { spec } = await finish('exit 4');
        await machine.clean(spec.attemptId, signal);
        expect(await machine.start(spec, signal)).toMatchObject({ state: 'done', exitCode: 4, reason: 'exit' });
        expect(await machine.collect(spec.attemptId, 'stdout', 0, MIB, signal)).toMatchObject({ piece: null });
      });

      test('after a fence never runs', async () => {
        const spec = startSpec('touch ../../../fenced-ran');
        expect(await machine.status(spec.attemptId, signal)).toMatchObject({ state: 'none', process: null });
        expect(await machine.fence(spec.attemptId, signal)).toMatchObject({ state: 'void' });
        expect(await machine.start(spec, signal)).toMatchObject({ state: 'void', process: null });
        expect((await finish('ls ../../..')).stdout).not.toContain('fenced-ran');
      });

      test('after a cancel that overtook it never runs', async () => {
        const spec = startSpec('echo no');
        expect(await machine.cancel(spec.attemptId, 1, signal)).toMatchObject({ state: 'void' });
        expect(await machine.start(spec, signal)).toMatchObject({ state: 'void' });
      });

      test('of a program that is not there is a setup failure that names it, and no process is told', async () => {
        const spec = startSpec(['no-such-program', 'x']);
        await machine.start(spec, signal);
        const report = await ended(spec.attemptId);
        expect(report).toMatchObject({ state: 'done', reason: 'setup', process: null });
        expect(report.message).toBe('program `no-such-program` not found');
      });

      test('looks the program up in the environment that the command will have', async () => {
        const spec = await start(['sh', '-c', 'exit 0'], { environment: { PATH: '/nowhere' } });
        expect(await ended(spec.attemptId)).toMatchObject({ reason: 'setup', message: 'program `sh` not found' });
      });

      test('for another memory or boot than the machine has is refused, and leaves nothing behind', async () => {
        const spec = startSpec('exit 3');
        const store = await machine.ping(signal);
        for (const other of [{ storeId: 'another' }, { bootId: 'another' }]) {
          const wrong = machine.start({ ...spec, store: { ...store, ...other } }, signal);
          await expect(wrong).rejects.toMatchObject({ kind: 'store_changed' });
        }
        expect(await machine.status(spec.attemptId, signal)).toMatchObject({ state: 'none' });
        await machine.start({ ...spec, store }, signal);
        expect(await ended(spec.attemptId)).toMatchObject({ exitCode: 3 });
      });

      test('is refused when another attempt has the number, or a later one is known', async () => {
        const first = await start('exit 0', { number: 2 });
        const sameNumber = startSpec('exit 0', { taskId: first.taskId, number: 2 });
        await expect(machine.start(sameNumber, signal)).rejects.toMatchObject({ kind: 'refused' });
        const earlier = startSpec('exit 0', { taskId: first.taskId, number: 1 });
        await expect(machine.start(earlier, signal)).rejects.toMatchObject({ kind: 'refused' });
        expect(await machine.status(earlier.attemptId, signal)).toMatchObject({ state: 'none' });
      });

      test('of a later attempt ends the older one first, and is busy until nothing of it is left', async () => {
        const older = await start('sleep 300 & sleep 300');
        const newer = startSpec('echo new', { taskId: older.taskId, number: 2 });
        expect(await machine.start(newer, signal)).toMatchObject({ state: 'busy', process: null });
        await waitFor(async () => (await machine.start(newer, signal)).state !== 'busy');
        expect(await ended(older.attemptId)).toMatchObject({ state: 'done', reason: 'cancel', left: [] });
        expect(await ended(newer.attemptId)).toMatchObject({ state: 'done', exitCode: 0 });
      });

      test('whose environment names what the shell owns is refused before anything is sent', async () => {
        for (const name of ['IFS', 'BASH_ENV', 'a b', '_'])
          await expect(
            machine.start(startSpec('true', { environment: { [name]: 'x' } }), signal),
          ).rejects.toMatchObject({
            kind: 'configuration',
          });
      });
    });

    describe('a command', () => {
      test.each([
        ['exit 0', 0],
        ['exit 127', 127],
        ['exit 255', 255],
        ['kill -9 $$', 137],
        ['kill -TERM $$', 143],
      ])('%s ends with %i, by itself', async (command, exitCode) => {
        const { report } = await finish(command);
        expect(report).toMatchObject({ state: 'done', exitCode, reason: 'exit', message: null });
      });

      test('finds its directory, its files and its identity, and nothing else of the machine', async () => {
        const { spec, stdout } = await finish('env; echo "PWD2=$(pwd)"; ls -a', { environment: { MINE: 'yes' } });
        const seen = Object.fromEntries(stdout.split('\n').map((one) => one.split(/=(.*)/s).slice(0, 2)));
        const expected = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TASKEJO_PROGRESS', 'TASKEJO_OUTPUT', 'MINE'];
        const byShell = ['PWD', 'OLDPWD', 'SHLVL', '_', 'PWD2'];
        const names = stdout.split('\n').flatMap((one) => (one.includes('=') ? [one.split('=')[0] ?? ''] : []));
        expect(new Set(names.filter((name) => !byShell.includes(name)))).toEqual(
          new Set([...expected, 'TASKEJO_TASK_ID', 'TASKEJO_ATTEMPT_ID']),
        );
        expect(seen).toMatchObject({ TASKEJO_TASK_ID: spec.taskId, TASKEJO_ATTEMPT_ID: spec.attemptId, MINE: 'yes' });
        expect(seen.HOME).toBe(seen.PWD2);
        expect(stdout.trim().split('\n').slice(-2)).toEqual(['.', '..']);
      });

      test('gets quotes, newlines and every byte of environment, arguments and input as they were', async () => {
        const all = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).join('');
        const nasty = `a'b"c\`d$(touch x)\\e\nf\r\n\t$HOME;rm -rf / # ${all}`;
        const input = Buffer.from(Array.from({ length: 256 * 40 }, (_, i) => i % 256));
        const spec = await start(
          ['sh', '-c', 'printf %s "$NASTY"; printf %s "$1" >&2; cat >../../../input-$TASKEJO_TASK_ID; ls', 'sh', nasty],
          {
            environment: { NASTY: nasty },
            input,
          },
        );
        await ended(spec.attemptId);
        expect((await log(spec.attemptId, 'stdout')).bytes).toEqual(Buffer.from(nasty));
        expect((await log(spec.attemptId, 'stderr')).bytes).toEqual(Buffer.from(nasty));
        const copied = await start(`cat ../../../input-${spec.taskId}`);
        await ended(copied.attemptId);
        expect((await log(copied.attemptId, 'stdout')).bytes).toEqual(input);
      });

      test('reads a large input whole, /dev/stdin included, and finds none of it on the disk', async () => {
        const input = Buffer.alloc(5 * MIB, 'secret-input ');
        const look = 'cat /dev/stdin | wc -c; cat ../script; ls ..; grep -rl secret-input . ../tmp | wc -l';
        const { stdout } = await finish(look, { input });
        expect(stdout).toMatch(new RegExp(`^${input.length}\nclaim\n`));
        expect(stdout.split('\n')).not.toContain('input');
        expect(stdout.trim().split('\n').at(-1)).toBe('0');
      });

      test('shows nothing of its environment or input in the list of processes', async () => {
        const secret = `s3cret-${crypto.randomUUID()}`;
        const go = join(temporaryFolder(), 'go');
        const environment = { KEY: secret.repeat(2000) };
        const spec = startSpec(`until [ -f ${go} ]; do sleep 0.05; done`, { environment, input: Buffer.from(secret) });
        const seen = new Set<string>();
        const watching = (async () => {
          for (;;) {
            for (const one of listProcesses()) seen.add(one.arguments);
            const { state } = await machine.status(spec.attemptId, signal);
            if (state === 'done') return;
            if (state === 'running' && [...seen].some((one) => one.includes(go))) writeFileSync(go, '');
          }
        })();
        await machine.start(spec, signal);
        await watching;
        expect([...seen].filter((one) => one.includes(secret))).toEqual([]);
      });

      test('tells its progress and leaves its output', async () => {
        const spec = await start(
          'echo "10% a" >$TASKEJO_PROGRESS; echo "60% b" >>$TASKEJO_PROGRESS; sleep 0.3; echo "{\\"n\\":1}" >$TASKEJO_OUTPUT',
        );
        await waitFor(async () => (await machine.status(spec.attemptId, signal)).progress === '60% b');
        await ended(spec.attemptId);
        const output = await machine.output(spec.attemptId, MIB, signal);
        expect(Buffer.from(output?.bytes ?? []).toString()).toBe('{"n":1}\n');
        expect(await machine.output(spec.attemptId, 3, signal)).toMatchObject({ total: 8, bytes: Buffer.from('{"n') });
        const silent = await finish('true');
        expect(await machine.output(silent.spec.attemptId, MIB, signal)).toBeNull();
        expect(silent.report.progress).toBeNull();
      });

      test('that leaves daemons behind holding its output ends all the same, and nothing is left', async () => {
        const { spec, report, stdout } = await finish('(setsid sleep 300 &) ; (sleep 300 &); echo done');
        expect(report).toMatchObject({ state: 'done', exitCode: 0, reason: 'exit', left: [] });
        expect(processesOf(spec)).toEqual([]);
        expect(stdout).toBe('done\n');
      });
    });

    describe('a link', () => {
      test('that ends right after the start ends nothing: code and whole log are had by another machine object', async () => {
        const first = subject.machine();
        const spec = await start(
          'i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo line $i; sleep 0.02; done; exit 9',
          {},
          first,
        );
        await subject.disconnect();
        const second = subject.machine();
        expect(await ended(spec.attemptId, second)).toMatchObject({ state: 'done', exitCode: 9, reason: 'exit' });
        const expected = Array.from({ length: 20 }, (_, i) => `line ${i + 1}\n`).join('');
        expect((await log(spec.attemptId, 'stdout', 0, second)).bytes.toString()).toBe(expected);
        expect((await log(spec.attemptId, 'stdout', 7, second)).bytes.toString()).toBe(expected.slice(7));
        machine = second;
      });

      test('shows live output of both streams while the command runs, from the offset on', async () => {
        const spec = await start('echo one; echo uno >&2; sleep 0.3; echo two; echo due >&2; sleep 300');
        // Nobody follows from behind what there is.
        await waitFor(async () => (await log(spec.attemptId, 'stdout')).bytes.length > 0);
        const got: Record<Stream, string> = { stdout: '', stderr: '' };
        const firstAt: Partial<Record<Stream, number>> = {};
        const take = async (piece: LogPiece) => {
          firstAt[piece.stream] ??= piece.offset;
          got[piece.stream] += Buffer.from(piece.bytes).toString();
        };
        const followed = machine.follow(spec.attemptId, { stdout: 1, stderr: 0 }, take, signal);
        await waitFor(() => got.stdout === 'ne\ntwo\n' && got.stderr === 'uno\ndue\n', { what: JSON.stringify(got) });
        expect(firstAt).toEqual({ stdout: 1, stderr: 0 });
        expect(await machine.status(spec.attemptId, signal)).toMatchObject({ state: 'running' });
        await machine.cancel(spec.attemptId, 0, signal);
        await followed;
      });

      test('that stops following leaves no follower behind, and the command runs on', async () => {
        const spec = await start('sleep 300');
        const watching = new AbortController();
        const followers = () => processesIn(subject.home).filter((one) => / follow |^tail /.test(one.arguments));
        const followed = machine.follow(spec.attemptId, { stdout: 0, stderr: 0 }, async () => {}, watching.signal);
        await waitFor(() => followers().length >= 3);
        watching.abort(new Error('enough'));
        await expect(followed).rejects.toThrow('enough');
        await waitFor(() => followers().length === 0);
        expect(await machine.status(spec.attemptId, signal)).toMatchObject({ state: 'running' });
        await machine.cancel(spec.attemptId, 0, signal);
      });

      test('that ends while following ends the following without an error', async () => {
        const spec = await start('sleep 300');
        const other = subject.machine();
        const ending = new AbortController();
        const followed = other.follow(spec.attemptId, { stdout: 0, stderr: 0 }, async () => {}, ending.signal);
        await machine.cancel(spec.attemptId, 0, signal);
        await followed;
        expect(await ended(spec.attemptId)).toMatchObject({ state: 'done', reason: 'cancel' });
      });
    });

    describe('a stop', () => {
      const stubborn = `trap "" TERM; (setsid sh -c 'trap "" TERM; (trap "" TERM; sleep 301) & sleep 302' &) ; sleep 303 & sleep 304`;
      test('by cancel ends a tree that ignores SIGTERM, daemons in sessions of their own too', async () => {
        const spec = await start(stubborn);
        await waitFor(() => processesOf(spec).filter((one) => one.command === 'sleep').length === 4);
        const before = processesOf(spec).map(({ pid }) => pid);
        await machine.cancel(spec.attemptId, 1, signal);
        const report = await ended(spec.attemptId);
        expect(report).toMatchObject({ state: 'done', reason: 'cancel', exitCode: 137, left: [] });
        expect(before.filter(isAlive)).toEqual([]);
      });

      test('by cancel lets a command that obeys end in its own way, and says cancel whatever the code', async () => {
        const spec = await start(`trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done`);
        await waitFor(async () => (await machine.status(spec.attemptId, signal)).streams.stdout.total > 0);
        await machine.cancel(spec.attemptId, 10, signal);
        expect(await ended(spec.attemptId)).toMatchObject({ reason: 'cancel', exitCode: 0, left: [] });
        expect((await log(spec.attemptId, 'stdout')).bytes.toString()).toBe('ready\nbye\n');
      });

      test('by cancel goes on when nobody is there any more', async () => {
        const first = subject.machine();
        const spec = await start('trap "" TERM; while :; do sleep 0.1; done', {}, first);
        await first.cancel(spec.attemptId, 1, signal);
        await subject.disconnect();
        machine = subject.machine();
        expect(await ended(spec.attemptId)).toMatchObject({ state: 'done', reason: 'cancel', left: [] });
      });

      test("by timeout is the machine's own doing", async () => {
        const first = subject.machine();
        const spec = await start(
          'trap "" TERM; while :; do sleep 0.1; done',
          { timeoutSeconds: 1, killGraceSeconds: 1 },
          first,
        );
        await subject.disconnect();
        machine = subject.machine();
        expect(await ended(spec.attemptId)).toMatchObject({
          state: 'done',
          reason: 'timeout',
          exitCode: 137,
          left: [],
        });
      });

      test('repeated, or of what has ended, changes nothing', async () => {
        const { spec } = await finish('exit 5');
        for (const _ of [1, 2]) {
          expect(await machine.cancel(spec.attemptId, 1, signal)).toMatchObject({ reason: 'exit', exitCode: 5 });
          expect(await machine.fence(spec.attemptId, signal)).toMatchObject({ reason: 'exit', exitCode: 5 });
        }
      });

      test('by fence does not end what runs', async () => {
        const go = join(temporaryFolder(), 'go');
        const spec = await start(`until [ -f ${go} ]; do sleep 0.05; done; exit 6`);
        await waitFor(async () => (await machine.status(spec.attemptId, signal)).state === 'running');
        expect(await machine.fence(spec.attemptId, signal)).toMatchObject({ state: 'running' });
        writeFileSync(go, '');
        expect(await ended(spec.attemptId)).toMatchObject({ exitCode: 6, reason: 'exit' });
      });
    });

    describe('a limit', () => {
      const limited = (command: string, limits: Partial<Limits>) =>
        finish(command, { limits: { ...NO_LIMITS, ...limits } });

      test('of the size of a file cuts it there', async () => {
        const { stdout } = await limited('head -c 100000 /dev/zero >big; wc -c <big', { fileSizeBytes: 10_240 });
        expect(stdout.trim()).toBe('10240');
      });

      test('of memory ends what wants more, and nothing else', async () => {
        const limits = { memoryBytes: 100 * MIB };
        const { report } = await limited('dd if=/dev/zero of=/dev/null bs=300000000 count=1', limits);
        expect(report.exitCode).not.toBe(0);
        expect(['exit', 'memory']).toContain(report.reason);
        expect((await limited('dd if=/dev/zero of=/dev/null bs=1000000 count=1', limits)).report.exitCode).toBe(0);
      });

      test.each([
        ['cpu_percent', { cpuPercent: 50 }],
        ['processes', { processes: 20 }],
      ])('of %s is kept, or the command does not run and is told why', async (name, limits) => {
        const { report, stdout } = await limited('echo ran', limits);
        if (report.reason === 'setup') {
          expect(report).toMatchObject({ process: null });
          expect(report.message).toContain(`the limit ${name} is not available on this machine: `);
        }
        expect(stdout).toBe(report.reason === 'setup' ? '' : 'ran\n');
      });

      test('leaves no trace in what the command finds', async () => {
        const { stdout } = await limited('env; ls ..', { fileSizeBytes: 1_000_000, memoryBytes: 1000 * MIB });
        expect(stdout).not.toMatch(/^(cpu|memory|processes|files|dir|uid|x)=/m);
        expect(stdout).not.toMatch(/^(script|input)$/m);
      });
    });

    describe('a workspace', () => {
      const workspace = (attemptId: string) => join(findFolder(subject.home, `a.${attemptId}`), 'run', 'ws');

      test('that was kept goes when it is old enough, and its end is still known', async () => {
        const { spec } = await finish('echo evidence >file; mkdir -m 0 closed; exit 3');
        await machine.keep(spec.attemptId, signal);
        await machine.tidy(3600, signal);
        expect(readFileSync(join(workspace(spec.attemptId), 'file'), 'utf8')).toBe('evidence\n');
        const before = new Date(Date.now() - 2 * 3_600_000);
        utimesSync(join(workspace(spec.attemptId), '..', '..', 'kept'), before, before);
        await machine.tidy(3600, signal);
        expect(existsSync(workspace(spec.attemptId))).toBe(false);
        expect(await machine.status(spec.attemptId, signal)).toMatchObject({ state: 'done', exitCode: 3 });
        expect(await machine.start(spec, signal)).toMatchObject({ state: 'done', exitCode: 3 });
      });

      test('of what runs is not kept for people and not cleaned', async () => {
        const spec = await start('sleep 300');
        await machine.keep(spec.attemptId, signal);
        await machine.clean(spec.attemptId, signal);
        expect(existsSync(workspace(spec.attemptId))).toBe(true);
        await machine.cancel(spec.attemptId, 0, signal);
        await ended(spec.attemptId);
      });
    });

    describe('a log', () => {
      test('of 3 MB is there to the byte', async () => {
        const { spec, report } = await finish('yes 0123456789abcde | head -c 3000000');
        expect(report.streams.stdout).toEqual({ total: 3_000_000, keptFrom: 0 });
        const { bytes, gaps } = await log(spec.attemptId, 'stdout');
        expect(gaps).toEqual([]);
        expect(bytes.equals(Buffer.from('0123456789abcde\n'.repeat(187_500)))).toBe(true);
      });

      test('of 20 MB keeps head and tail exact, the gap known to the byte', async () => {
        const whole = Buffer.from(Array.from({ length: 2_700_000 }, (_, i) => `${i + 1}\n`).join(''));
        const { spec, report } = await finish('seq 1 2700000');
        expect(report.streams.stdout.total).toBe(whole.length);
        const { pieces, gaps } = await log(spec.attemptId, 'stdout');
        expect(gaps).toEqual([{ from: 512 * 1024, to: report.streams.stdout.keptFrom }]);
        expect(whole.length - report.streams.stdout.keptFrom).toBeGreaterThan(MIB);
        expect(whole.length - report.streams.stdout.keptFrom).toBeLessThanOrEqual(3 * MIB);
        for (const piece of pieces)
          expect(Buffer.from(piece.bytes).equals(whole.subarray(piece.offset, piece.offset + piece.bytes.length))).toBe(
            true,
          );
      });

      test('without a newline, of bytes that are no text, is there to the byte', async () => {
        const { spec } = await finish(`printf 'a\\377\\000\\n\\200b'`);
        expect((await log(spec.attemptId, 'stdout')).bytes).toEqual(Buffer.from([0x61, 0xff, 0, 0x0a, 0x80, 0x62]));
      });

      test('is read in pieces as small as one likes', async () => {
        const { spec } = await finish('printf 0123456789');
        const { piece } = await machine.collect(spec.attemptId, 'stdout', 3, 4, signal);
        expect(piece).toEqual({ stream: 'stdout', offset: 3, bytes: Buffer.from('3456') });
        expect((await machine.collect(spec.attemptId, 'stdout', 10, 4, signal)).piece).toBeNull();
        expect((await machine.collect(spec.attemptId, 'stderr', 0, 4, signal)).piece).toBeNull();
      });
    });

    test('its store and boot id are the same in every answer, and to everybody', async () => {
      const one = await machine.ping(signal);
      const report = await subject.machine().status('unknown-attempt', signal);
      expect(report).toMatchObject({ ...one, state: 'none' });
    });

    test('a call whose signal has fired is not made', async () => {
      await expect(machine.ping(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    });

    test('nothing of all these attempts is left running', async () => {
      await waitFor(() => processesIn(subject.home).length === 0, {
        what: `left: ${JSON.stringify(processesIn(subject.home))}`,
      });
    });
  });
}

export function startSpec(command: string | string[], more: Partial<StartSpec> = {}): StartSpec {
  return {
    attemptId: crypto.randomUUID(),
    taskId: crypto.randomUUID(),
    number: 1,
    installationId: 'suite',
    command: typeof command === 'string' ? ['sh', '-c', command] : command,
    input: new Uint8Array(),
    environment: {},
    limits: NO_LIMITS,
    sandbox: 'none',
    timeoutSeconds: 60,
    killGraceSeconds: 2,
    ...more,
  };
}

/** Everything kept of a stream from an offset on, as the server reads it. */
export async function wholeLog(machine: Machine, attemptId: string, stream: Stream, from: number, signal: AbortSignal) {
  const pieces: LogPiece[] = [];
  const gaps: { from: number; to: number }[] = [];
  for (let offset = from; ; ) {
    const { piece } = await machine.collect(attemptId, stream, offset, MIB, signal);
    if (piece === null) return { pieces, gaps, bytes: Buffer.concat(pieces.map((one) => one.bytes)) };
    if (piece.offset > offset) gaps.push({ from: offset, to: piece.offset });
    pieces.push(piece);
    offset = piece.offset + piece.bytes.length;
  }
}

/** The folder of this name below another one, wherever a machine has put it. */
function findFolder(root: string, name: string): string {
  const found = readdirSync(root, { recursive: true, withFileTypes: true }).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no folder ${name} in ${root}`);
  return join(found.parentPath, found.name);
}
