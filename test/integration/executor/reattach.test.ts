import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Machine, NotSent } from '../../../src/executor/machine.ts';
import { type Resumed, type RunAttemptOptions, runAttempt } from '../../../src/executor/run-attempt.ts';
import { type MachineSubject, startSpec } from '../../suites/machine-suite.ts';
import { localSubject } from '../../support/local-machine.ts';
import { createMemoryControlPlane } from '../../support/memory-control-plane.ts';
import { isAlive, killAll, processesIn } from '../../support/proc.ts';
import { waitFor } from '../../support/wait-for.ts';

const noLog = { debug() {}, info() {}, warn() {}, error() {} };
const DEAD_PID = 1_234_567;
const ANOTHER = [{ storeId: 'another' }, { bootId: 'another' }];

/**
 * What a driver does that finds an attempt again, for each way in which claim, exit and processes can stand. Unknown is
 * never a success and never a plain failure, and nothing is ever begun a second time.
 */
describe('an attempt that is found again', () => {
  const { signal } = new AbortController();
  let subject: MachineSubject;
  let machine: Machine;
  let store: { storeId: string; bootId: string };

  beforeAll(async () => {
    subject = await localSubject();
    machine = subject.machine();
  });
  beforeEach(async () => {
    store = await machine.ping(signal);
  });
  afterAll(() => subject.stop());

  const control = (...path: string[]) => join(subject.home, 'machine', 'suite', ...path);
  const folder = (attemptId: string, ...path: string[]) => control(`a.${attemptId}`, ...path);
  const pidIn = (attemptId: string, file: string) =>
    Number(readFileSync(folder(attemptId, file), 'utf8').split(' ')[0]);
  const stateOf = async (attemptId: string) => (await machine.status(attemptId, signal)).state;
  const startOf = (pid: number | 'self') => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  };
  const end = async (pids: readonly number[]) => {
    killAll(pids);
    await waitFor(() => !pids.some(isAlive));
  };
  const write = (attemptId: string, file: string, text: string) => {
    mkdirSync(folder(attemptId), { recursive: true });
    writeFileSync(folder(attemptId, file), `${text}\n`);
  };

  /** A command that notes that it ran; `found` makes its files and processes stand in a certain way. */
  function attempt(command = 'exit 5') {
    const spec = startSpec(`echo run >>../../../ran; ${command}`);
    const plane = createMemoryControlPlane(spec.attemptId);
    const drive = (resume: Resumed, more: Partial<RunAttemptOptions> = {}) =>
      runAttempt({
        ...{ plane: plane.plane, machine, spec, resume, renewSeconds: 0.2, signal, log: noLog },
        contactLease: { seconds: 30 },
        ...more,
      });
    return { spec, id: spec.attemptId, plane, drive };
  }
  const runs = () => {
    try {
      return readFileSync(control('ran'), 'utf8').trim().split('\n').length;
    } catch {
      return 0;
    }
  };
  const begun = async (one: ReturnType<typeof attempt>) => {
    const report = await machine.start(one.spec, signal);
    await waitFor(async () => (await stateOf(one.id)) !== 'starting');
    return report.process ?? (await machine.status(one.id, signal)).process;
  };
  const lost = { outcome: 'lost', exitCode: null, signal: null, failureClass: null };

  test('no claim, the store and the boot still the same: it is started, once', async () => {
    const one = attempt();
    const before = runs();
    await one.drive({ store, process: null });
    expect(one.plane.kept.results).toMatchObject([{ outcome: 'failed', exitCode: 5 }]);
    expect(runs()).toBe(before + 1);
  });

  test.each(ANOTHER)(
    'no claim, and another store or boot (%o) than before the start was sent: lost, never started, nor by a late start',
    async (other) => {
      const one = attempt();
      const before = runs();
      await one.drive({ store: { ...store, ...other }, process: null });
      expect(one.plane.kept.results).toMatchObject([{ ...lost, error: expect.stringContaining('store_changed') }]);
      expect(await machine.start(one.spec, signal)).toMatchObject({ state: 'void' });
      expect(runs()).toBe(before);
    },
  );

  test.each(ANOTHER)(
    'never sent, and another store or boot (%o) than was known: asked for the new one, noted, then started, once',
    async (other) => {
      const one = attempt();
      const before = runs();
      const noted: unknown[] = [];
      const onStarting = async (what: unknown) => void noted.push(what);
      const known = { ...store, ...other };
      await one.drive({ store: null, process: null }, { store: known, hooks: { onStarting } });
      expect(noted).toEqual([known, store]);
      expect(one.plane.kept.results).toMatchObject([{ outcome: 'failed', exitCode: 5 }]);
      expect(runs()).toBe(before + 1);
    },
  );

  test.each(ANOTHER)(
    'never sent, since the machine was away, and another store or boot (%o) when it is back: taken back, started, once',
    async (other) => {
      const one = attempt();
      const before = runs();
      const noted: unknown[] = [];
      let away = true;
      const start: Machine['start'] = async (...args) => {
        if (!away) return machine.start(...args);
        away = false;
        throw new NotSent('unreachable', 'the machine is being restarted');
      };
      const known = { ...store, ...other };
      const hooks = {
        onStarting: async (what: unknown) => void noted.push(what),
        onNotStarted: async () => void noted.push(null),
      };
      await one.drive({ store: null, process: null }, { machine: { ...machine, start }, store: known, hooks });
      expect(noted).toEqual([known, null, store]);
      expect(one.plane.kept.results).toMatchObject([{ outcome: 'failed', exitCode: 5 }]);
      expect(runs()).toBe(before + 1);
    },
  );

  test('no claim, although its process was seen: lost', async () => {
    const one = attempt();
    const process = { pid: 1, startedAt: '1', bootId: store.bootId };
    await one.drive({ store, process });
    expect(one.plane.kept.results).toMatchObject([lost]);
    expect(await stateOf(one.id)).toBe('void');
  });

  test('no claim, and to be stopped: fenced, so that a late start runs nothing', async () => {
    const one = attempt();
    const before = runs();
    one.plane.askStop('cancel');
    await one.drive({ store, process: null });
    expect(one.plane.kept.results).toMatchObject([{ outcome: 'cancelled' }]);
    expect(await machine.start(one.spec, signal)).toMatchObject({ state: 'void' });
    expect(runs()).toBe(before);
  });

  test('claimed by pid 0: it never ran, and is handed back', async () => {
    const one = attempt();
    await machine.fence(one.id, signal);
    await one.drive({ store, process: null });
    expect(one.plane.kept.results).toMatchObject([{ outcome: 'released' }]);
  });

  test('ended: its log and its exit code are had', async () => {
    const one = attempt('echo out; exit 9');
    await machine.start(one.spec, signal);
    await waitFor(async () => (await stateOf(one.id)) === 'done');
    await one.drive({ store, process: null });
    expect(one.plane.kept.results).toMatchObject([{ outcome: 'failed', exitCode: 9 }]);
    expect(one.plane.text('stdout')).toBe('out\n');
  });

  test('claimed in another boot: lost', async () => {
    const one = attempt('sleep 300');
    const process = await begun(one);
    await end(processesIn(folder(one.id)).map(({ pid }) => pid));
    write(one.id, 'claim', `${DEAD_PID} 1 another-boot`);
    expect(await stateOf(one.id)).toBe('rebooted');
    await one.drive({ store, process });
    expect(one.plane.kept.results).toMatchObject([lost]);
  });

  test('claimed, its supervisor alive and no command yet: it is waited for', async () => {
    const one = attempt();
    write(one.id, 'claim', `${process.pid} ${startOf('self')} ${store.bootId}`);
    const driving = one.drive({ store, process: null });
    await waitFor(() => one.plane.kept.renewals > 2);
    expect(one.plane.kept.results).toEqual([]);
    // The supervisor ends before the command was made: nothing ran, which is then made sure of.
    write(one.id, 'claim', `${DEAD_PID} 1 ${store.bootId}`);
    await driving;
    expect(one.plane.kept.results).toMatchObject([{ outcome: 'failed', failureClass: 'infrastructure' }]);
  });

  test('running: it is followed to its end', async () => {
    const one = attempt('until [ -f ../go ]; do sleep 0.05; done; echo late; exit 4');
    const seen = await begun(one);
    const driving = one.drive({ store, process: seen });
    await waitFor(() => one.plane.kept.renewals > 0);
    writeFileSync(folder(one.id, 'run', 'go'), '');
    await driving;
    expect(one.plane.kept.results).toMatchObject([{ outcome: 'failed', exitCode: 4 }]);
    expect(one.plane.text('stdout')).toBe('late\n');
  });

  test('running, its live output silent although it writes: following begins anew', async () => {
    const one = attempt('echo said; until [ -f ../go ]; do sleep 0.05; done');
    const seen = await begun(one);
    let rounds = 0;
    const deaf: Machine = {
      ...machine,
      follow: (id, from, take, stop) => machine.follow(id, from, ++rounds === 1 ? async () => {} : take, stop),
    };
    const driving = one.drive({ store, process: seen }, { machine: deaf });
    await waitFor(() => one.plane.text('stdout') === 'said\n');
    expect(rounds).toBeGreaterThan(1);
    expect(one.plane.kept.results).toEqual([]);
    writeFileSync(folder(one.id, 'run', 'go'), '');
    await driving;
    expect(one.plane.kept.results).toMatchObject([{ outcome: 'completed' }]);
  });

  test('running and followed in step: following goes on, however often it is asked', async () => {
    const one = attempt('echo said; until [ -f ../go ]; do sleep 0.05; done; echo late');
    const seen = await begun(one);
    let rounds = 0;
    let asked = 0;
    const counted: Machine = {
      ...machine,
      follow: (...args) => {
        rounds += 1;
        return machine.follow(...args);
      },
      status: (...args) => {
        asked += 1;
        return machine.status(...args);
      },
    };
    one.plane.follow(true); // then it is asked each second
    const driving = one.drive({ store, process: seen }, { machine: counted });
    await waitFor(() => asked > 5);
    expect(rounds).toBe(1);
    writeFileSync(folder(one.id, 'run', 'go'), '');
    await driving;
    expect(one.plane.text('stdout')).toBe('said\nlate\n');
  });

  test('running without its supervisor: it is ended, and lost, for its exit code is unknown', async () => {
    const one = attempt('sleep 300');
    const seen = await begun(one);
    await end([pidIn(one.id, 'claim')]);
    expect(await stateOf(one.id)).toBe('orphan');
    await one.drive({ store, process: seen });
    expect(one.plane.kept.results).toMatchObject([lost]);
    expect(isAlive(seen?.pid ?? 0)).toBe(false);
  });

  test('all of it dead without an exit: lost, for it may have done something', async () => {
    const one = attempt('sleep 300');
    const seen = await begun(one);
    await end([pidIn(one.id, 'claim'), pidIn(one.id, 'task')]);
    expect(await stateOf(one.id)).toBe('vanished');
    await one.drive({ store, process: seen });
    expect(one.plane.kept.results).toMatchObject([lost]);
  });

  test('its supervisor dead before the command was made: fenced, and the machinery has failed, so a new try is safe', async () => {
    const one = attempt();
    write(one.id, 'claim', `${DEAD_PID} 1 ${store.bootId}`);
    expect(await stateOf(one.id)).toBe('unstarted');
    await one.drive({ store, process: null });
    expect(one.plane.kept.results).toMatchObject([{ outcome: 'failed', failureClass: 'infrastructure' }]);
    expect(await stateOf(one.id)).toBe('void');
  });

  test('its folder wiped while it runs: it is ended there, lost, and a late start runs nothing', async () => {
    const one = attempt('sleep 300');
    const seen = await begun(one);
    rmSync(control(), { recursive: true, force: true });
    const before = runs();
    await one.drive({ store, process: seen });
    expect(one.plane.kept.results).toMatchObject([{ ...lost, error: expect.stringContaining('store_changed') }]);
    expect(isAlive(seen?.pid ?? 0)).toBe(false);
    expect(await machine.start(one.spec, signal)).toMatchObject({ state: 'void' });
    expect(runs()).toBe(before);
  });
});
