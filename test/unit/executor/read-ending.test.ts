import { describe, expect, test } from 'vitest';
import { MACHINE_STATES, type MachineReport } from '../../../src/domain/machine.ts';
import { type EndingFacts, readEnding } from '../../../src/executor/attempt/read-ending.ts';

const report = (more: Partial<MachineReport>): MachineReport => ({
  state: 'done',
  exitCode: null,
  reason: null,
  message: null,
  process: null,
  streams: { stdout: { total: 0, keptFrom: 0 }, stderr: { total: 0, keptFrom: 0 } },
  logLost: false,
  left: null,
  usage: null,
  progress: null,
  storeId: 's',
  bootId: 'b',
  ...more,
});
const facts: EndingFacts = {
  stopReason: null,
  launchFailure: null,
  processSeen: true,
  unstarted: false,
  forgotten: false,
  timeoutSeconds: 7,
  output: null,
};
const end = (more: Partial<MachineReport>, about: Partial<EndingFacts> = {}) =>
  readEnding(report(more), { ...facts, ...about });

describe('the end of a command that ran', () => {
  test('is completed with exit code 0, and nothing else is', () => {
    expect(end({ exitCode: 0, reason: 'exit' })).toMatchObject({ outcome: 'completed', exitCode: 0, error: null });
    for (let exitCode = 1; exitCode < 256; exitCode++) {
      expect(end({ exitCode, reason: 'exit' }).outcome).toBe('failed');
    }
  });

  test.each([
    [1, 'exit', 1, null],
    [127, 'exit', 127, null],
    [128, 'exit', 128, null],
    [129, 'signal', null, 'SIGHUP'],
    [134, 'signal', null, 'SIGABRT'],
    [137, 'signal', null, 'SIGKILL'],
    [143, 'signal', null, 'SIGTERM'],
    [255, 'exit', 255, null],
  ])('reads exit code %i as class %s', (code, failureClass, exitCode, signal) => {
    expect(end({ exitCode: code, reason: 'exit' })).toMatchObject({ failureClass, exitCode, signal });
  });

  test.each([0, 1, 143])('is a timeout when the machine recorded one, whatever the code (%i)', (exitCode) => {
    const result = end({ exitCode, reason: 'timeout' });
    expect(result).toMatchObject({ outcome: 'failed', failureClass: 'timeout', exitCode: null });
    expect(result.error).toContain('7 s');
  });

  test('is told in one sentence, whatever the machine said', () => {
    const message = 'OCI runtime error:\r\n\u001b[31mno such file\u0000\u0085\n';
    expect(end({ exitCode: 126, reason: 'setup', message }).error).toBe('OCI runtime error: [31mno such file');
  });

  test('is cancelled when the control plane asked, else a failure of the machinery', () => {
    expect(end({ exitCode: 0, reason: 'cancel' }, { stopReason: 'cancel' })).toMatchObject({ outcome: 'cancelled' });
    expect(end({ exitCode: 143, reason: 'cancel' })).toMatchObject({
      outcome: 'failed',
      failureClass: 'infrastructure',
    });
  });

  test('is a failed set-up in the words of the machine', () => {
    expect(end({ exitCode: 127, reason: 'setup', message: 'program `x` not found' })).toMatchObject({
      outcome: 'failed',
      failureClass: 'setup',
      error: 'program `x` not found',
      ownFailure: false,
      exitCode: null,
    });
  });

  test('is a failure of the machine’s own when that could not begin what it has', () => {
    expect(end({ exitCode: 126, reason: 'machine', message: 'the disk is full' })).toMatchObject({
      outcome: 'failed',
      failureClass: 'setup',
      error: 'the disk is full',
      ownFailure: true,
    });
  });

  test('has its output', () => {
    expect(end({ exitCode: 2, reason: 'exit' }, { output: { a: 1 } }).output).toEqual({ a: 1 });
  });
});

describe('what can not be known', () => {
  test.each(['rebooted', 'vanished', 'orphan', 'none', 'starting', 'running', 'unstarted', 'busy'] as const)(
    'is lost (%s), even when a stop was asked',
    (state) => {
      expect(end({ state })).toMatchObject({ outcome: 'lost', failureClass: null, exitCode: null, signal: null });
      expect(end({ state }, { stopReason: 'cancel' }).outcome).toBe('lost');
    },
  );

  test('is lost when a command that had a process is said never to have begun', () => {
    expect(end({ state: 'void' }).outcome).toBe('lost');
  });

  test('has a sentence for a person unless it is a success or a handing back', () => {
    for (const state of MACHINE_STATES) {
      const result = end({ state, exitCode: 1, reason: 'exit' });
      expect(result.error).toMatch(/\w/);
    }
  });
});

describe('what never began', () => {
  const never = (more: Partial<EndingFacts>) => readEnding(null, { ...facts, processSeen: false, ...more });

  test('is handed back', () => {
    expect(never({})).toMatchObject({ outcome: 'released', failureClass: null });
  });

  test('is cancelled when a stop was asked', () => {
    const launchFailure = { failureClass: 'setup', ownFailure: true, error: 'disk full' } as const;
    expect(never({ stopReason: 'cancel', launchFailure })).toMatchObject({ outcome: 'cancelled' });
  });

  test('says why the machine would not begin it', () => {
    const launchFailure = { failureClass: 'setup', ownFailure: true, error: 'the disk is full' } as const;
    expect(never({ launchFailure })).toMatchObject({ outcome: 'failed', ...launchFailure });
  });

  test('costs a try of the machinery when its supervisor died before the process was made', () => {
    const result = end({ state: 'void' }, { processSeen: false, unstarted: true });
    expect(result).toMatchObject({ outcome: 'failed', failureClass: 'infrastructure' });
  });
});
