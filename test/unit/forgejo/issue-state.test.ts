import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ParsedDelivery } from '../../../src/forgejo/events.ts';
import { comparedIssue, type IssueState, observe } from '../../../src/forgejo/issue-state.ts';
import { recorded, recordings, VERSIONS } from '../../support/recordings.ts';
import { forge, ledger, parsed } from './support.ts';

const base = parsed(recorded('v15', 'carol (writer) adds the label agent:run'));
const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const labelled = (labels: string[], second: number, action = 'label_updated'): ParsedDelivery => ({
  ...base,
  eventType: action === 'opened' ? 'issues' : 'issue_label',
  action,
  object: { ...base.object, labels, updatedAt: at(second) } as ParsedDelivery['object'],
});
const stored = (labels: string[], second: number, episodes: Record<string, number> = {}): IssueState => ({
  labels,
  episodes: { ...Object.fromEntries(labels.map((label) => [label, 1])), ...episodes },
  observedAt: at(second),
  uncertain: false,
});

describe('which deliveries are compared', () => {
  test('opened ones and label events of issues and pull requests are, nothing else is', () => {
    const compared = recordings('v15').filter((one) => comparedIssue(parsed(one), forge()) !== null);
    const kinds = new Set(compared.map((one) => `${parsed(one).eventType} ${parsed(one).action}`));
    expect([...kinds].sort()).toEqual([
      'issue_label label_cleared',
      'issue_label label_updated',
      'issues opened',
      'pull_request opened',
      'pull_request_label label_updated',
    ]);
    for (const one of recordings('v15').filter((each) => !compared.includes(each)))
      expect(observe(parsed(one), null), one.file).toBeNull();
  });

  test('an issue is known by the id of its repository, which outlives its name', () => {
    expect(comparedIssue(base, forge())).toEqual({ repositoryId: 1, number: 1 });
  });

  test('the numbers of another forge are not mixed with ours', () => {
    expect(comparedIssue(base, forge({ url: 'http://other.example.org' }))).toBeNull();
  });
});

describe('comparing with what is stored', () => {
  test('all labels of an issue that was unknown count as newly present', () => {
    expect(observe(labelled(['b', 'a', 'b'], 5), null)).toEqual({
      next: { labels: ['a', 'b'], episodes: { a: 1, b: 1 }, observedAt: at(5), uncertain: false },
      newlyPresent: ['a', 'b'],
      stale: false,
    });
  });

  test('a newer body replaces what is known, and counts how often a label has become present', () => {
    expect(observe(labelled(['a', 'c'], 6), stored(['a', 'b'], 5, { c: 2 }))).toEqual({
      next: { labels: ['a', 'c'], episodes: { a: 1, b: 1, c: 3 }, observedAt: at(6), uncertain: false },
      newlyPresent: ['c'],
      stale: false,
    });
  });

  test('a newer body clears the doubt of an older one', () => {
    const doubtful = { ...stored(['a'], 5), uncertain: true };
    expect(observe(labelled(['a'], 6), doubtful)?.next?.uncertain).toBe(false);
  });

  test('an older body changes nothing and leaves a doubt', () => {
    const state = stored(['a'], 5);
    expect(observe(labelled(['b'], 4), state)).toEqual({
      next: { ...state, uncertain: true },
      newlyPresent: [],
      stale: true,
    });
  });

  test('within a second the order of arrival decides, and leaves a doubt', () => {
    const added = observe(labelled(['a', 'b'], 5), stored(['a'], 5));
    expect(added).toMatchObject({ newlyPresent: ['b'], next: { labels: ['a', 'b'], uncertain: true } });
    const removed = observe(labelled([], 5), stored(['a'], 5));
    expect(removed).toMatchObject({ newlyPresent: [], next: { labels: [], uncertain: true } });
  });

  test('the same second with the same labels changes nothing and leaves no doubt', () => {
    expect(observe(labelled(['b', 'a'], 5), stored(['a', 'b'], 5))).toEqual({
      next: null,
      newlyPresent: [],
      stale: false,
    });
  });

  test('opened, overtaken within its second by a label event, takes no label away', () => {
    expect(observe(labelled([], 5, 'opened'), stored(['a'], 5))).toMatchObject({ next: null, newlyPresent: [] });
    expect(observe(labelled(['b'], 5, 'opened'), stored(['a'], 5))).toMatchObject({
      next: { labels: ['a', 'b'] },
      newlyPresent: ['b'],
    });
  });

  test('label_cleared empties what is known', () => {
    expect(observe(labelled([], 6, 'label_cleared'), stored(['a', 'b'], 5))?.next?.labels).toEqual([]);
  });

  test('labels with the names of what every object has are labels like others', () => {
    const odd = ['__proto__', 'constructor'];
    const first = observe(labelled(odd, 5), null);
    expect(first?.newlyPresent).toEqual(odd);
    expect(Object.entries(first?.next?.episodes ?? {})).toEqual([
      ['__proto__', 1],
      ['constructor', 1],
    ]);
  });

  test('in order, whatever happens, each label becomes present as often as it was added', () => {
    const step = fc.record({ second: fc.integer({ min: 0, max: 1 }), labels: fc.subarray(['a', 'b', 'c']) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1 }), (steps) => {
        let state: IssueState | null = null;
        let second = 0;
        let present: string[] = [];
        const times = new Map<string, number>();
        for (const one of steps) {
          second += one.second;
          for (const label of one.labels) if (!present.includes(label)) times.set(label, (times.get(label) ?? 0) + 1);
          present = one.labels;
          state = observe(labelled(one.labels, second), state)?.next ?? state;
        }
        expect(state?.labels).toEqual([...present].sort());
        expect(new Map(Object.entries(state?.episodes ?? {}))).toEqual(times);
      }),
    );
  });

  test('in any order, no label becomes present more often than it was added, and the newest body wins', () => {
    const states = fc.array(fc.subarray(['a', 'b']), { minLength: 1, maxLength: 8 });
    const shuffled = states.chain((all) =>
      fc.shuffledSubarray([...all.keys()], { minLength: all.length }).map((order) => ({ all, order })),
    );
    fc.assert(
      fc.property(shuffled, ({ all, order }) => {
        let state: IssueState | null = null;
        for (const index of order) state = observe(labelled(all[index] ?? [], index), state)?.next ?? state;
        expect(state?.labels).toEqual([...(all.at(-1) ?? [])].sort());
        for (const label of ['a', 'b']) {
          const added = all.filter((labels, index) => labels.includes(label) && !all[index - 1]?.includes(label));
          expect(state?.episodes[label] ?? 0).toBeLessThanOrEqual(added.length);
        }
      }),
    );
  });
});

describe.each(VERSIONS)('the labels recorded from %s', (version) => {
  test('switched fast and arriving out of order end as they stand on the forge', () => {
    const stream = recordings(version, 'deliveries-out-of-order');
    const decisions = ledger();
    for (const one of stream) decisions.decide(one);
    expect(decisions.stateOf(15)?.labels).toEqual(['agent:run']);
    const turnedOn = 5;
    expect(decisions.stateOf(15)?.episodes['agent:run']).toBeGreaterThan(0);
    expect(decisions.stateOf(15)?.episodes['agent:run']).toBeLessThanOrEqual(turnedOn);
  });

  test('become present once for each time that agent:run was set, whatever no-ops come between', () => {
    const decisions = ledger();
    const found = recordings(version)
      .slice(0, 36)
      .map((one) => ({ file: one.file, verdict: decisions.decide(one) }))
      .filter(({ verdict }) => verdict.observation?.newlyPresent.includes('agent:run'))
      .map(({ verdict }) => verdict.candidates[0]?.effect.object);
    expect(found).toEqual(['1/2/1/agent:run', '1/4/1/agent:run', '1/1/1/agent:run', '1/1/2/agent:run']);
  });
});
