import { describe, expect, test } from 'vitest';
import { until, within } from '../../../src/demo/until.ts';

const never = new AbortController().signal;

describe('a step of the demo', () => {
  test('ends with what came', async () => {
    let asked = 0;
    expect(
      await until('it', () => (++asked === 3 ? asked : null), { withinMs: 5_000, everyMs: 1, signal: never }),
    ).toBe(3);
  });

  test('says what did not come in time', async () => {
    await expect(until('the rain', () => null, { withinMs: 20, everyMs: 5, signal: never })).rejects.toThrow(
      'the rain did not happen within 0.02 s',
    );
    await expect(within('the sun', new Promise(() => {}), { withinMs: 20, signal: never })).rejects.toThrow('the sun');
  });

  test('ends with the reason of the signal', async () => {
    const ending = new AbortController();
    const waits = [
      until('it', () => null, { withinMs: 60_000, signal: ending.signal }),
      within('it', new Promise(() => {}), { withinMs: 60_000, signal: ending.signal }),
    ];
    ending.abort(new Error('somebody left'));
    for (const wait of waits) await expect(wait).rejects.toThrow('somebody left');
  });
});
