import { describe, expect, it } from 'vitest';
import { linearPattern } from '../../../src/domain/linear-pattern.ts';
import { mayRun, missingAbilities, refusingRule, SAYS_NOTHING } from '../../../src/domain/may-run.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';

const policy = (allowedCommands: string[], deniedPatterns: string[] = []) => ({ allowedCommands, deniedPatterns });

describe('a command', () => {
  it.each([
    ['is allowed where nothing is listed', ['make'], policy([]), null],
    ['is allowed by its name', ['make', 'all'], policy(['claude', 'make']), null],
    ['is refused where others are listed', ['bash'], policy(['make']), 'allowed_commands'],
    ['with a path is compared exactly', ['/tmp/make'], policy(['make', '/usr/bin/make']), 'allowed_commands'],
    ['with a path is allowed by it', ['/usr/bin/make'], policy(['/usr/bin/make']), null],
    ['without one may be found at a path that is listed', ['make'], policy(['/usr/bin/make']), null],
    ['is refused by a pattern', ['sh', '-c', 'sudo id'], policy([], ['\\bsudo\\b']), 'denied_patterns: \\bsudo\\b'],
    ['is matched with its arguments joined by a space', ['a', 'b'], policy([], ['^a b$']), 'denied_patterns: ^a b$'],
    ['that no pattern denies is allowed', ['pseudo'], policy([], ['\\bsudo\\b']), null],
    ['is refused by a pattern that cannot be matched', ['x'], policy([], ['(?=x)']), 'denied_patterns: (?=x)'],
  ])('%s', (_, command, rules, rule) => {
    expect(refusingRule(command, rules)).toBe(rule);
  });
});

it('a pattern is matched in linear time or not at all', () => {
  expect(linearPattern('(a*)*b')?.test('a'.repeat(100_000))).toBe(false);
  expect([linearPattern('(a)\\1'), linearPattern('(?<=a)b)'), linearPattern('(')]).toEqual([null, null, null]);
});

it('what an agent said it hasn’t is missing, what it said nothing of is not', () => {
  const task = {
    repository: 'main:alice/widgets',
    requires: ['x'],
    command: ['make'],
    limits: { ...NO_LIMITS, memoryBytes: 1, cpuPercent: 50, costUsd: 3 },
    sandbox: 'bubblewrap' as const,
  };
  const silent = SAYS_NOTHING;
  expect(missingAbilities(task, silent)).toEqual([]);
  expect(missingAbilities(task, { ...silent, limits: ['memory_bytes'], sandboxes: ['container'] })).toEqual([
    'cpu_percent',
    'bubblewrap',
  ]);
  expect(mayRun(task, silent)).toBe(true);
  expect(mayRun(task, { ...silent, sandboxes: [] })).toBe(false);
  expect(mayRun({ ...task, limits: null, sandbox: 'none' }, { ...silent, limits: [], sandboxes: [] })).toBe(true);
  expect(mayRun(task, { ...silent, policy: policy(['claude']) })).toBe(false);
});

it('what an agent is restricted to it runs nothing beside', () => {
  const task = {
    repository: 'main:alice/w',
    requires: ['x'],
    command: ['make'],
    limits: null,
    sandbox: 'none',
  } as const;
  const only = (repositories: string[] | null, labels: string[] | null = null) =>
    mayRun(task, { ...SAYS_NOTHING, restriction: { repositories, labels } });
  expect(only(['main:bob/*', 'main:alice/*'])).toBe(true);
  expect(only(['main:bob/*'])).toBe(false);
  expect(only(null, ['y'])).toBe(false);
  expect(only(['*:Alice/W'], ['y', 'x'])).toBe(true);
});
