import { describe, expect, it } from 'vitest';
import { isWithin, repositoryExpression } from '../../../src/domain/restriction.ts';

describe('a restriction', () => {
  const cases: [pattern: string, repository: string, within: boolean][] = [
    ['main:alice/widgets', 'main:alice/widgets', true],
    ['main:Alice/Widgets', 'main:alice/wIDGETS', true],
    ['main:alice/*', 'main:alice/anything.at-all_', true],
    ['alice/widgets', 'other:alice/widgets', true],
    ['*:alice/widgets', 'other:alice/widgets', true],
    ['main:*/widgets', 'main:bob/widgets', true],
    ['main:alice/widgets', 'main:alice/widgets2', false],
    ['main:alice/widgets', 'xmain:alice/widgets', false],
    ['main:alice/wid.ets', 'main:alice/widgets', false],
    ['main:alice/.*', 'main:alice/widgets', false],
    ['main:alice/*', 'main:alice2/widgets', false],
    ['main:(alice|bob)/*', 'main:bob/widgets', false],
  ];

  it.each(cases)('to %s: is %s within? %s', (pattern, repository, within) => {
    expect(isWithin({ repositories: [pattern], labels: null }, { repository, requires: [] })).toBe(within);
    // As the database is asked.
    expect(new RegExp(repositoryExpression(pattern)).test(repository.toLowerCase())).toBe(within);
  });

  it('to repositories leaves out tasks of none', () => {
    expect(isWithin({ repositories: ['*/*'], labels: null }, { repository: null, requires: ['x'] })).toBe(false);
  });

  it('to repositories and labels asks for both', () => {
    const both = { repositories: ['a/b'], labels: ['x', 'y'] };
    expect(isWithin(both, { repository: 'main:a/b', requires: ['y', 'z'] })).toBe(true);
    expect(isWithin(both, { repository: 'main:a/b', requires: ['z'] })).toBe(false);
    expect(isWithin(both, { repository: 'main:a/c', requires: ['x'] })).toBe(false);
  });
});
