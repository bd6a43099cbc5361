import { expect, test } from 'vitest';
import { createDuplicates } from '../../../src/loops/duplicate-stores.ts';

const [a, b, c] = [{ id: 'a' }, { id: 'b' }, { id: 'c' }];

test('the first in the order of the file has a control folder, whoever answers first', () => {
  const duplicates = createDuplicates([a, b, c]);
  expect(duplicates.note(b, 'one')).toEqual({ first: null, others: [] });
  expect(duplicates.note(c, 'one')).toEqual({ first: b, others: [] });
  expect(duplicates.note(a, 'one')).toEqual({ first: null, others: [b, c] });
  expect(duplicates.note(b, 'one')).toEqual({ first: a, others: [] });
});

test('a host with a control folder of its own is nobody’s duplicate, also if it was one before', () => {
  const duplicates = createDuplicates([a, b]);
  duplicates.note(a, 'one');
  expect(duplicates.note(b, 'one').first).toBe(a);
  expect(duplicates.note(b, 'two')).toEqual({ first: null, others: [] });
  expect(duplicates.note(a, 'one')).toEqual({ first: null, others: [] });
});
