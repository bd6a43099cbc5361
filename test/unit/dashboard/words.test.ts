import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { age, duration } from '../../../src/dashboard/client/durations.ts';
import { html, outside } from '../../../src/dashboard/html.ts';
import { objectOf, repositoryOf } from '../../../src/dashboard/list/row.ts';
import { count, priorityWords, shortId, size } from '../../../src/dashboard/words/amounts.ts';
import { exact, since, until } from '../../../src/dashboard/words/times.ts';
import { waits } from '../../../src/dashboard/words/waiting.ts';
import { visible, visibleLines } from '../../../src/domain/visible.ts';

describe('durations and ages', () => {
  it.each([
    [-5, '0 s'],
    [0.9, '0 s'],
    [48, '48 s'],
    [60, '1 min'],
    [220, '3 min 40 s'],
    [3599, '59 min 59 s'],
    [3600, '1 h'],
    [6720, '1 h 52 min'],
    [86_399, '23 h 59 min'],
    [172_800, '2 d'],
  ])('%d seconds took %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it.each([
    [48, '48 s'],
    [879, '14 min'],
    [6720, '1 h 52 min'],
    [400_000, '4 d'],
  ])('%d seconds are %s ago', (seconds, text) => {
    expect(age(seconds)).toBe(text);
  });

  it('stand in a time element that says the exact moment', () => {
    const at = '2026-11-21T13:28:04.123456Z';
    expect(exact(at)).toBe('2026-11-21 13:28:04 UTC');
    expect(String(since(at, Date.parse(at) + 90_000, 'age'))).toBe(
      `<time datetime="${at}" title="2026-11-21 13:28:04 UTC" data-since="age">1 min</time>`,
    );
    expect(String(until(at, Date.parse(at) - 90_000))).toContain('data-until="age">1 min<');
  });
});

describe('amounts', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [999, '999 bytes'],
    [212_400, '212 kB'],
    [999_999, '1.0 MB'],
    [1_234_000, '1.2 MB'],
    [612e6, '612 MB'],
    [5e15, '5000 TB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(size(bytes)).toBe(text);
  });

  it('have commas, names and short ids', () => {
    expect(count(184_320)).toBe('184,320');
    expect([0, 1, 3, 5, 8].map(priorityWords)).toEqual(['0', '1 low', '3 medium', '5 high', '8 urgent']);
    expect(shortId('01a1fee3-30e1-7535-a210-853fe733b900')).toBe('e733b900');
  });
});

describe('text from the world', () => {
  it('hides nothing', () => {
    expect(visible('a\u202eb\u0007c\nd\u2066e\u009bf\u007fg')).toBe('a⟨U+202E⟩b␇c␊d⟨U+2066⟩e⟨U+009B⟩f␡g');
    expect(visibleLines('a\r\nb\tc\rd')).toBe('a\nb\tc␍d');
  });

  it('is escaped wherever it stands', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', '=', ' ', 'a', '`') }), (text) => {
        const made = String(html`<a title="${text}">${outside(text)}</a>`);
        expect(made).toMatch(/^<a title="[^"<>]*"><bdi>[^<>]*<\/bdi><\/a>$/);
      }),
    );
  });
});

describe('where a task belongs', () => {
  it('is its repository without the forge, and the number or the branch', () => {
    expect(repositoryOf({ source: null, repository: 'main:alice/widgets' })).toBe('alice/widgets');
    expect(repositoryOf({ source: null, repository: null })).toBeNull();
    expect(objectOf({ number: 12, ref: null })).toBe('#12');
    expect(objectOf({ number: null, ref: 'refs/heads/feature/a' })).toBe('feature/a');
    expect(objectOf({ number: null, ref: null })).toBeNull();
  });
});

describe('why a task waits', () => {
  const now = Date.parse('2026-11-21T13:00:00Z');
  const waiting = (waitingReason: string | null, more = {}, named: string | null = null) =>
    waits(
      { waitingReason, namedAgentId: null, executionMode: 'undecided', requires: [], runAfter: null, ...more },
      named,
      now,
    );

  it.each([
    [null, 'about to start', 'It can be taken now.'],
    ['no_agents', 'no host or agent yet', 'There is no host or agent yet.'],
    ['all_busy', 'no free place', 'All places that could take it are taken.'],
    ['offline', 'agents are offline', 'Whoever could take it is offline.'],
    [
      'unsettled',
      'agents are asked first how attempts ended there',
      'Whoever could take it is asked first how attempts ended there.',
    ],
    ['cordoned', 'agents are cordoned', 'Whoever could take it is cordoned.'],
    ['draining', 'agents take nothing new', 'Whoever could take it takes nothing new.'],
    ['run_after', 'waits to be retried', 'Its last attempt failed.'],
    ['dependencies', 'waits for other tasks', 'It depends on tasks that have not completed yet.'],
    ['approval', 'to be approved', 'A person must approve it first.'],
    ['authorization', 'to be allowed', 'Whoever asked for it must be allowed to.'],
    ['concurrency', 'another one is under way', 'Another task holds its concurrency key.'],
    ['policy', 'agents refuse its command', 'Whoever could take it refuses its command.'],
    [
      'limits_unavailable',
      'agents have not its limits or sandbox',
      'Whoever could take it has not the limits or sandbox that it asks for.',
    ],
    [
      'recently_failed_here',
      'agents are given a moment',
      'Whoever could take it is given a moment, since it failed there.',
    ],
    ['of_tomorrow', 'of_tomorrow', 'It waits: of_tomorrow.'],
  ])('says for %s: %s', (code, words, sentence) => {
    expect(waiting(code)).toMatchObject({ words, sentence });
  });

  it('names the agent that it was assigned to', () => {
    expect(waiting('offline', {}, 'nuc')).toMatchObject({
      words: 'nuc is offline',
      helps: 'It starts when nuc is back.',
    });
    expect(waiting('all_busy', {}, 'nuc').sentence).toBe('All places of nuc are taken.');
    expect(waiting('agent_removed', {}, 'nuc').sentence).toBe('nuc, which it was assigned to, was removed.');
  });

  it('names the labels and the hour', () => {
    expect(waiting('labels_nobody_has', { requires: ['cuda'], executionMode: 'ssh_cli' })).toMatchObject({
      labels: ['cuda'],
      sentence: 'No host has all the labels that it needs.',
    });
    expect(waiting('run_after', { runAfter: '2026-11-21T18:00:00.000000Z' }).words).toBe('not before 18:00');
    expect(waiting('run_after', { runAfter: '2026-11-23T18:00:00.000000Z' }).words).toBe('not before 2026-11-23');
    expect(waiting('run_after', { runAfter: '2026-11-21T12:00:00.000000Z' }).words).toBe('waits to be retried');
  });
});
