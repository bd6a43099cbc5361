import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { refusingRuleHere } from '../../../../src/agent/bounds/policy.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

function folders(): { own: string; foreign: string } {
  const root = temporaryFolder();
  const [own, foreign] = [join(root, 'own'), join(root, 'foreign')];
  for (const folder of [own, foreign]) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'make'), '#!/bin/sh\n');
    chmodSync(join(folder, 'make'), 0o755);
  }
  return { own, foreign };
}

const only = (...allowedCommands: string[]) => ({ allowedCommands, deniedPatterns: [] });
const asked = (command: string[], environment: Record<string, string> = {}) => ({ command, environment });

describe('a name among the allowed commands', () => {
  test('stands for the program that the owner’s PATH has under it', () => {
    const { own } = folders();
    expect(refusingRuleHere(asked(['make', 'all']), only('make'), own)).toBeNull();
    expect(refusingRuleHere(asked(['make']), only(join(own, 'make')), own)).toBeNull();
    expect(refusingRuleHere(asked(['make']), only('/usr/bin/make'), own)).toBe('allowed_commands');
    expect(refusingRuleHere(asked(['gmake']), only('make'), own)).toBe('allowed_commands');
  });

  test('can’t be taken by a PATH that comes with the task', () => {
    const { own, foreign } = folders();
    const rule = (PATH: string) => refusingRuleHere(asked(['make'], { PATH }), only('make'), own);
    expect(rule(foreign)).toBe('allowed_commands');
    expect(rule(`${foreign}:${own}`)).toBe('allowed_commands');
    expect(rule(`/nowhere:${own}`)).toBeNull();
    expect(rule('/nowhere')).toBe('allowed_commands');
  });

  test('is compared exactly with a program that has a path', () => {
    const { own } = folders();
    expect(refusingRuleHere(asked([join(own, 'make')]), only('make'), own)).toBe('allowed_commands');
    expect(refusingRuleHere(asked([join(own, 'make')]), only(join(own, 'make')), own)).toBeNull();
  });

  test('that the machine hasn’t is refused by nobody: the start says that it is missing', () => {
    expect(refusingRuleHere(asked(['claude']), only('claude'), folders().own)).toBeNull();
  });

  test('is all that counts where programs can’t be looked up', () => {
    expect(refusingRuleHere(asked(['make'], { PATH: '/foreign' }), only('make'), null)).toBeNull();
    expect(refusingRuleHere(asked(['make']), only('/usr/bin/make'), null)).toBe('allowed_commands');
  });

  test('isn’t started with a file in it that somebody else chose', () => {
    const { own } = folders();
    expect(refusingRuleHere(asked(['make'], { LD_PRELOAD: '/tmp/x.so' }), only('make'), own)).toBe(
      'allowed_commands: LD_PRELOAD is set',
    );
    expect(refusingRuleHere(asked(['make'], { LD_PRELOAD: '/tmp/x.so' }), only(), own)).toBeNull();
  });
});

test('what a pattern denies is refused although its program is allowed', () => {
  const policy = { allowedCommands: ['make'], deniedPatterns: ['\\binstall\\b'] };
  expect(refusingRuleHere(asked(['make', 'install']), policy, '/usr/bin')).toBe('denied_patterns: \\binstall\\b');
});
