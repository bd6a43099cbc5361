import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rangeOf } from '../../../src/http/ranges.ts';

describe('a range', () => {
  it.each([
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=2-', { start: 2, end: 10 }],
    ['bytes=-3', { start: 7, end: 10 }],
    ['bytes=-30', { start: 0, end: 10 }],
    ['bytes=4-400', { start: 4, end: 10 }],
    ['  bytes=1-2 ', { start: 1, end: 3 }],
    ['bytes=-', null],
    ['bytes=3-2', null],
    ['bytes=a-b', null],
    ['bytes=0-1,4-5', null],
    [undefined, null],
  ])('%j of ten bytes is %j', (header, range) => {
    expect(rangeOf(header, 10)).toEqual(range);
  });

  it.each(['bytes=10-', 'bytes=10-20', 'bytes=-0'])('%s of ten bytes can not be had', (header) => {
    expect(() => rangeOf(header, 10)).toThrow(expect.objectContaining({ code: 'range_not_satisfiable' }));
  });

  it('never reaches beyond what there is', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(100), fc.nat(100), (first, last, size) => {
        try {
          const range = rangeOf(`bytes=${first}-${last}`, size);
          return range === null || (range.start < range.end && range.end <= size);
        } catch {
          return first >= size;
        }
      }),
    );
  });
});
