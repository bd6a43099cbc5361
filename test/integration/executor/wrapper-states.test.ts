import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { createLocalMachine } from '../../../src/executor/local/local-machine.ts';
import type { Machine } from '../../../src/executor/machine.ts';
import { encodeStart, WRAPPER } from '../../../src/executor/wrapper/protocol.ts';
import { type MachineSubject, startSpec } from '../../suites/machine-suite.ts';
import { localSubject } from '../../support/local-machine.ts';
import { environmentOf, isAlive, killAll, listProcesses, processesIn } from '../../support/proc.ts';
import { waitFor } from '../../support/wait-for.ts';

/** Who can be dead or alive when an attempt is looked at, and what is said of it then. Unknown is never success. */
describe('the wrapper script, asked about an attempt', () => {
  const { signal } = new AbortController();
  let subject: MachineSubject;
  let machine: Machine;
  let bootId = '';
  const control = (...path: string[]) => join(subject.home, 'machine', 'suite', ...path);
  const folder = (attemptId: string, ...path: string[]) => control(`a.${attemptId}`, ...path);
  const words = (attemptId: string, file: string) => readFileSync(folder(attemptId, file), 'utf8').trim().split(' ');
  const supervisorOf = (attemptId: string) => Number(words(attemptId, 'claim')[0]);
  const state = async (attemptId: string) => (await machine.status(attemptId, signal)).state;
  const running = async (command: string, more = {}) => {
    const spec = startSpec(command, more);
    await machine.start(spec, signal);
    await waitFor(async () => (await state(spec.attemptId)) === 'running');
    return spec;
  };
  const claimed = (claim: string) => {
    const attemptId = crypto.randomUUID();
    mkdirSync(folder(attemptId));
    writeFileSync(folder(attemptId, 'claim'), `${claim}\n`);
    return attemptId;
  };
  const wrapperPath = () => join(subject.home, 'machine', WRAPPER.name);
  const op = (...args: string[]): ChildProcess => spawn('sh', [wrapperPath(), ...args], { stdio: 'pipe' });
  /** The process that becomes the command, made ready in a folder, told by its supervisor to go on and that it is watched. */
  const lateChild = (attemptId: string) => {
    const script = 'printf "%s\\non\\n" "$2" | sh "$1" task suite late 3<&0';
    mkdirSync(control('late'), { recursive: true });
    return spawn('sh', ['-c', script, 'sh', wrapperPath(), attemptId], { stdio: 'pipe' });
  };
  const said = async (child: ChildProcess, input: string | Buffer = '') => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stdin?.on('error', () => {}); // an operation need not read what it doesn't want
    child.stdin?.end(input);
    await new Promise((resolve) => child.once('close', resolve));
    return text;
  };

  /** Kills, and waits until the kernel has done it. */
  const end = async (pids: readonly number[]) => {
    killAll(pids);
    await waitFor(() => !pids.some(isAlive));
  };

  beforeAll(async () => {
    subject = await localSubject();
    machine = subject.machine();
    ({ bootId } = await machine.ping(signal));
  });
  afterAll(() => subject.stop());

  test('whose start has the number of one that ended with its machine, and left its folder: begins', async () => {
    const spec = startSpec('exit 3');
    const script = 'mkdir -p "$2/in.$$/ws" && exec sh "$1" start suite free';
    const start = spawn('sh', ['-c', script, 'sh', wrapperPath(), control()], { stdio: 'pipe' });
    expect(await said(start, encodeStart(spec).stdin)).toMatch(/^taskejo1 (?:starting|running|done) /);
    await waitFor(async () => (await state(spec.attemptId)) === 'done');
    expect(await machine.status(spec.attemptId, signal)).toMatchObject({ reason: 'exit', exitCode: 3 });
  });

  test('whose supervisor alone was killed: orphan, then cancelled: vanished, and nothing of it is left', async () => {
    const spec = await running('sleep 300 & sleep 300');
    await end([supervisorOf(spec.attemptId)]);
    const orphan = await machine.status(spec.attemptId, signal);
    expect(orphan).toMatchObject({ state: 'orphan', exitCode: null, reason: null });
    expect(orphan.process && isAlive(orphan.process.pid)).toBe(true);
    expect(await machine.start(spec, signal)).toMatchObject({ state: 'orphan' });
    await machine.cancel(spec.attemptId, 0, signal);
    await waitFor(async () => (await state(spec.attemptId)) === 'vanished');
    const carrying = () =>
      listProcesses().filter(({ pid }) => environmentOf(pid).includes(`TASKEJO_ATTEMPT_ID=${spec.attemptId}`));
    expect(carrying()).toEqual([]);
  });

  test('whose supervisor was killed goes on writing its log, and its timeout still holds', async () => {
    const spec = await running('echo before; sleep 0.3; echo after; sleep 300', {
      timeoutSeconds: 6,
      killGraceSeconds: 0,
    });
    await end([supervisorOf(spec.attemptId)]);
    await waitFor(async () => (await state(spec.attemptId)) === 'vanished');
    const { piece } = await machine.collect(spec.attemptId, 'stdout', 0, 100, signal);
    expect(Buffer.from(piece?.bytes ?? []).toString()).toBe('before\nafter\n');
    await waitFor(() => processesIn(folder(spec.attemptId)).length === 0);
  });

  test('of whose processes nothing is alive: vanished, never a result, and a repeated start runs nothing', async () => {
    const spec = await running('sleep 300');
    await end([supervisorOf(spec.attemptId), Number(words(spec.attemptId, 'task')[0])]);
    await waitFor(async () => (await state(spec.attemptId)) === 'vanished');
    expect(await machine.start(spec, signal)).toMatchObject({ state: 'vanished', exitCode: null, reason: null });
    await end(processesIn(folder(spec.attemptId)).map(({ pid }) => pid));
  });

  test('from before a reboot: rebooted', async () => {
    const spec = await running('sleep 300');
    await end(processesIn(folder(spec.attemptId)).map(({ pid }) => pid));
    for (const file of ['claim', 'task']) {
      const [pid, start] = words(spec.attemptId, file);
      writeFileSync(folder(spec.attemptId, file), `${pid} ${start} another-boot\n`);
    }
    expect(await state(spec.attemptId)).toBe('rebooted');
    expect(await machine.start(spec, signal)).toMatchObject({ state: 'rebooted' });
    await machine.clean(spec.attemptId, signal);
    expect(await state(spec.attemptId)).toBe('rebooted');
  });

  test('whose number of a process belongs to somebody else by now: not alive', async () => {
    const attemptId = claimed(`${process.pid} 1 ${bootId}`);
    expect(await state(attemptId)).toBe('unstarted');
    writeFileSync(folder(attemptId, 'task'), `${process.pid} 1 ${bootId}\n`);
    expect(await state(attemptId)).toBe('vanished');
    await machine.cancel(attemptId, 0, signal);
    expect(isAlive(process.pid)).toBe(true);
  });

  test('claimed a moment ago: starting, and a fence is no verdict', async () => {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    const attemptId = claimed(`${process.pid} ${start} ${bootId}`);
    expect(await state(attemptId)).toBe('starting');
    expect(await machine.fence(attemptId, signal)).toMatchObject({ state: 'starting' });
  });

  test('whose supervisor died before the command was made: unstarted, a fence voids it, and a late child does not run', async () => {
    const attemptId = claimed(`1234567 1 ${bootId}`);
    mkdirSync(folder(attemptId, 'run', 'ws'), { recursive: true });
    writeFileSync(folder(attemptId, 'run', 'script'), 'touch ../../ran\nset -- true\n');
    expect(await state(attemptId)).toBe('unstarted');
    expect(await machine.fence(attemptId, signal)).toMatchObject({ state: 'void', process: null });
    await said(lateChild(attemptId));
    expect(existsSync(folder(attemptId, 'ran'))).toBe(false);
    expect(await state(attemptId)).toBe('void');
  });

  test('that is asked to stop between the claim and the command: the command does not run', async () => {
    const attemptId = claimed(`${process.pid} 1 ${bootId}`);
    mkdirSync(folder(attemptId, 'run', 'ws'), { recursive: true });
    writeFileSync(folder(attemptId, 'run', 'script'), 'touch ../../ran\nset -- true\n');
    writeFileSync(folder(attemptId, 'reason'), 'cancel\n');
    await said(lateChild(attemptId));
    expect(existsSync(folder(attemptId, 'ran'))).toBe(false);
  });

  test('whose upload was cut: nothing was claimed, nothing is left of it', async () => {
    const attemptId = crypto.randomUUID();
    for (const input of [`# ${attemptId} task-1 1 60 2 1040 1000\nrm -f x`, `# ${attemptId} task-1 1 60`, '']) {
      const answer = await said(op('start', 'suite', 'free'), input);
      expect(answer).toBe('taskejo1 ! shell the upload was cut\n');
    }
    expect(await state(attemptId)).toBe('none');
    expect(existsSync(folder(attemptId))).toBe(false);
    await waitFor(() => readdirSync(control()).every((name) => !name.startsWith('in.')));
  });

  test('by words that are no ids or numbers: refused, nothing done', async () => {
    for (const word of ['../x', 'a b', '$(id)', '', '.hidden', '-n', 'ü'])
      expect(await said(op('status', 'suite', word))).toContain('taskejo1 ! shell');
    const line = '# ../x task-1 1 60 2 25 0\n';
    expect(await said(op('start', 'suite', 'free'), line.replace('25', String(line.length)))).toContain(
      'taskejo1 ! shell',
    );
    expect(existsSync(control('..', 'x'))).toBe(false);
  });

  test('whose starter dies with its connection: the command runs on, and its exit is known', async () => {
    const attemptId = crypto.randomUUID();
    const script = `rm -f ../script ../input\nexport TASKEJO_ATTEMPT_ID='${attemptId}'\nset -- sh -c 'sleep 0.3; exit 7'\n`;
    const line = (bytes: number) => `# ${attemptId} task-2 1 60 2 ${bytes} 0\n`;
    const starter = op('start', 'suite', 'free');
    starter.stdout?.destroy();
    starter.stderr?.destroy();
    starter.stdin?.on('error', () => {});
    starter.stdin?.end(`${line(line(100).length + script.length)}${script}`);
    await waitFor(async () => (await state(attemptId)) === 'done');
    expect(await machine.status(attemptId, signal)).toMatchObject({ exitCode: 7, reason: 'exit' });
  });

  test('whose control folder is wiped under it: the command does not outlive it by long', async () => {
    const other = createLocalMachine({ directory: join(subject.home, 'machine'), installationId: 'wiped' });
    const spec = startSpec('sleep 300 & sleep 300');
    await other.start(spec, signal);
    const alive = () =>
      listProcesses().filter(({ pid }) => environmentOf(pid).includes(`TASKEJO_ATTEMPT_ID=${spec.attemptId}`));
    await waitFor(() => alive().some(({ command }) => command === 'sleep'));
    rmSync(join(subject.home, 'machine', 'wiped'), { recursive: true });
    await waitFor(() => alive().length === 0);
    await waitFor(() => processesIn(join(subject.home, 'machine', 'wiped')).length === 0);
  });

  describe('of whose processes the kernel ended one for its memory', () => {
    const starved = async (more = {}) => {
      const spec = await running('while [ ! -e ../../go ]; do sleep 0.05; done; exit 137', more);
      const group = folder(spec.attemptId, 'group');
      mkdirSync(group);
      for (const file of ['cgroup.procs', 'memory.events'])
        writeFileSync(join(group, file), file === 'memory.events' ? 'oom 1\noom_kill 1\n' : '');
      writeFileSync(folder(spec.attemptId, 'run', 'cgroup'), `${group}\n`);
      return spec.attemptId;
    };
    const endOf = async (attemptId: string) => {
      await waitFor(async () => (await state(attemptId)) === 'done');
      return machine.status(attemptId, signal);
    };

    test('says so, in place of an exit', async () => {
      const attemptId = await starved();
      writeFileSync(folder(attemptId, 'go'), '');
      expect(await endOf(attemptId)).toMatchObject({ reason: 'memory', exitCode: 137 });
    });

    test('says that it was cancelled when it was', async () => {
      const attemptId = await starved();
      await machine.cancel(attemptId, 0, signal);
      expect(await endOf(attemptId)).toMatchObject({ reason: 'cancel' });
    });
  });

  test('whose timeout counts the time that passes, and not how often somebody slept', async () => {
    const tools = join(subject.home, 'tools');
    mkdirSync(tools);
    writeFileSync(join(tools, 'sleep'), '#!/bin/sh\n', { mode: 0o755 });
    const environment = { PATH: `${tools}:/usr/bin:/bin` };
    const hasty = createLocalMachine({
      directory: join(subject.home, 'machine'),
      installationId: 'suite',
      environment,
    });
    const spec = startSpec('/bin/sleep 1', { timeoutSeconds: 120 });
    await hasty.start(spec, signal);
    await waitFor(async () => (await state(spec.attemptId)) === 'done');
    expect(await machine.status(spec.attemptId, signal)).toMatchObject({ reason: 'exit', exitCode: 0 });
  });

  test('of which something is left that a first look does not see: a second one does, and it goes', async () => {
    const tools = join(subject.home, 'blind');
    mkdirSync(tools);
    // What is about to become another program has no environment for a moment.
    const blind = '[ "$1" != -qsE ] || [ -e "$0.looked" ] || { true >"$0.looked"; exit 1; }';
    writeFileSync(join(tools, 'grep'), `#!/bin/sh\n${blind}\nexec /bin/grep "$@"\n`, { mode: 0o755 });
    const directory = join(subject.home, 'machine');
    const environment = { PATH: `${tools}:/usr/bin:/bin` };
    const spec = startSpec('setsid sleep 300 & sleep 0.5');
    await createLocalMachine({ directory, installationId: 'suite', environment }).start(spec, signal);
    await waitFor(async () => (await state(spec.attemptId)) === 'done');
    expect(existsSync(join(tools, 'grep.looked'))).toBe(true);
    const carrying = () =>
      listProcesses().filter(({ pid }) => environmentOf(pid).includes(`TASKEJO_ATTEMPT_ID=${spec.attemptId}`));
    expect(carrying()).toEqual([]);
  });

  test('whose process hides its session and its environment: the cgroup shows it, and it goes', async (context) => {
    const spec = startSpec('env -i setsid sleep 4321 & echo $! >../hidden', {
      limits: { ...NO_LIMITS, fileSizeBytes: 1_000_000 },
    });
    await machine.start(spec, signal);
    await waitFor(async () => (await state(spec.attemptId)) === 'done');
    if (!existsSync(folder(spec.attemptId, 'run', 'cgroup'))) context.skip('no cgroup can be made here');
    expect(await machine.status(spec.attemptId, signal)).toMatchObject({ exitCode: 0, left: [] });
    expect(isAlive(Number(readFileSync(folder(spec.attemptId, 'run', 'hidden'), 'utf8')))).toBe(false);
  });

  test('long ago: is forgotten when its machine is tidied; what runs stays, and the script that it was started by', async () => {
    const old = new Date(Date.now() - 40 * 86_400_000);
    const ago = (path: string) => utimesSync(path, old, old);
    const finished = startSpec('exit 1');
    await machine.start(finished, signal);
    await waitFor(async () => (await state(finished.attemptId)) === 'done');
    const spec = await running('sleep 300');
    mkdirSync(control('in.99'));
    writeFileSync(control('in.99', 'script'), 'a secret');
    const scripts = ['needed', 'forgotten', 'recent'].map((name) => join(subject.home, 'machine', `w-${name}.sh`));
    for (const script of scripts) writeFileSync(script, '');
    writeFileSync(folder(spec.attemptId, 'run', 'wrapper'), 'w-needed.sh\n');
    for (const path of [...scripts.slice(0, 2), control('in.99'), control(`t.${finished.taskId}`)]) ago(path);
    for (const { attemptId } of [finished, spec]) ago(folder(attemptId));
    await machine.tidy(0, signal);
    expect([finished, spec].map(({ attemptId }) => existsSync(folder(attemptId)))).toEqual([false, true]);
    expect(existsSync(control(`t.${finished.taskId}`))).toBe(false);
    expect(existsSync(control('in.99'))).toBe(false);
    expect(scripts.map((script) => existsSync(script))).toEqual([true, false, true]);
    expect(existsSync(join(subject.home, 'machine', WRAPPER.name))).toBe(true);
    await machine.cancel(spec.attemptId, 0, signal);
    await waitFor(async () => (await state(spec.attemptId)) === 'done');
  });

  test('long ago, among more of them than a command line can name: is forgotten all the same', async () => {
    const old = new Date(Date.now() - 40 * 86_400_000);
    const spec = await running('sleep 300');
    const script = join(subject.home, 'machine', 'w-0123456789abcdef.sh');
    writeFileSync(script, '');
    utimesSync(script, old, old);
    writeFileSync(folder(spec.attemptId, 'run', 'wrapper'), 'w-0123456789abcdef.sh\n');
    const ended = Array.from({ length: 4_000 }, () => claimed(`0 0 ${bootId}`));
    const kept = ended.slice(0, 10);
    for (const attemptId of kept) {
      mkdirSync(folder(attemptId, 'run'));
      for (const file of ['kept', 'run/wrapper']) writeFileSync(folder(attemptId, file), '');
      utimesSync(folder(attemptId, 'kept'), old, old);
    }
    const forgotten = ended.slice(10, 20);
    for (const attemptId of forgotten) utimesSync(folder(attemptId), old, old);
    // Where the stack is small so is what a command may be given.
    const wrapper = join(subject.home, 'machine', WRAPPER.name);
    const tidy = spawn('sh', ['-c', `ulimit -s 256; exec sh ${wrapper} tidy suite tidy 60`], { stdio: 'pipe' });
    expect(await said(tidy)).toMatch(/^taskejo1 none /);
    expect(ended.filter((attemptId) => !existsSync(folder(attemptId)))).toEqual(forgotten);
    expect(kept.filter((attemptId) => existsSync(folder(attemptId, 'run')))).toEqual([]);
    expect(existsSync(script)).toBe(true);
    await machine.cancel(spec.attemptId, 0, signal);
    await waitFor(async () => (await state(spec.attemptId)) === 'done');
  });

  test('in a control folder that was wiped: nothing is known, and the store says that it is another one', async () => {
    const before = await machine.ping(signal);
    rmSync(control(), { recursive: true, force: true });
    const after = await machine.ping(signal);
    expect(after.storeId).not.toBe(before.storeId);
    expect(after.bootId).toBe(before.bootId);
  });
});
