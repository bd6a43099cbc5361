import { describe, expect, test } from 'vitest';
import type { MachineReport, MachineState } from '../../../src/domain/machine.ts';
import { type Memory, nextAct } from '../../../src/executor/attempt/next-act.ts';

const store = { storeId: 's', bootId: 'b' };
const fresh: Memory = { sent: false, processSeen: false, store: null };
const sent: Memory = { sent: true, processSeen: false, store };
const begun: Memory = { sent: true, processSeen: true, store };
const at = (state: MachineState, more: Partial<MachineReport> = {}): MachineReport => ({
  state,
  exitCode: null,
  reason: null,
  message: null,
  process: null,
  streams: { stdout: { total: 0, keptFrom: 0 }, stderr: { total: 0, keptFrom: 0 } },
  logLost: false,
  left: null,
  usage: null,
  progress: null,
  ...store,
  ...more,
});

describe('of an attempt on its machine', () => {
  test.each([
    ['starting', 'watch'],
    ['running', 'watch'],
    ['orphan', 'cancel'],
    ['unstarted', 'fence'],
    ['done', 'end'],
    ['void', 'end'],
    ['rebooted', 'end'],
    ['vanished', 'end'],
  ] as const)('%s leads to %s, whatever is remembered or wanted', (state, act) => {
    for (const memory of [fresh, sent, begun]) {
      for (const hold of [false, true]) expect(nextAct(at(state), memory, hold)).toBe(act);
    }
  });

  test('one that is new is started, or left where nothing is to begin', () => {
    expect(nextAct(null, fresh, false)).toBe('start');
    expect(nextAct(null, fresh, true)).toBe('end');
  });

  test('one whose start got no answer is asked about, or fenced where nothing is to begin', () => {
    expect(nextAct(null, sent, false)).toBe('status');
    expect(nextAct(null, sent, true)).toBe('fence');
    expect(nextAct(at('none'), sent, false)).toBe('start');
    expect(nextAct(at('none'), sent, true)).toBe('fence');
  });

  test('one that was seen to run is never started again', () => {
    expect(nextAct(null, begun, true)).toBe('status');
    expect(nextAct(at('none'), begun, false)).toBe('cancel');
  });

  test.each([{ storeId: 'another' }, { bootId: 'another' }])(
    'one is not started where the machine may have forgotten its first start (%o)',
    (changed) => {
      expect(nextAct(at('none', changed), sent, false)).toBe('cancel');
    },
  );

  test('one waits for an older attempt of its task, unless it is not to begin', () => {
    expect(nextAct(at('busy'), sent, false)).toBe('start');
    expect(nextAct(at('busy'), sent, true)).toBe('fence');
  });
});
