import { describe, expect, it } from 'vitest';
import { CLASS_GROWTH, LEAST_SECONDS, percentile } from '../../../src/domain/statistics.ts';

const classOf = (seconds: number) => Math.floor(Math.log(seconds / LEAST_SECONDS) / Math.log(CLASS_GROWTH));
const counts = (...times: number[]) => times.map((seconds) => ({ class: classOf(seconds), tasks: 1 }));

describe('a percentile', () => {
  it('of nothing is not known', () => {
    expect(percentile([], 0.5)).toBeNull();
  });

  it.each([0.5, 3, 60, 3600, 604_800])('of %s seconds is right to one per cent', (seconds) => {
    const found = percentile(counts(seconds), 0.95) ?? 0;
    expect(Math.abs(found / seconds - 1)).toBeLessThan(0.0101);
  });

  it('is what so great a share took at most', () => {
    const times = counts(...Array.from({ length: 100 }, (_, n) => 2 ** (n % 20)));
    expect(percentile(times, 0.5)).toBeCloseTo(2 ** 9, -1);
    expect(percentile(times, 0.95)).toBe(percentile(counts(2 ** 18), 0.5));
    expect(percentile(times, 1)).toBe(percentile(counts(2 ** 19), 0.5));
  });
});
