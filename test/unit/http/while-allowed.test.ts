import { expect, test } from 'vitest';
import { whileAllowed } from '../../../src/http/event-stream.ts';

async function* counting(ended: () => void): AsyncGenerator<number> {
  try {
    for (let n = 1; ; n++) yield n;
  } finally {
    ended();
  }
}

test('a stream ends, and its source with it, when who follows may do so no longer', async () => {
  let looks = 0;
  let sourceEnded = false;
  const source = counting(() => {
    sourceEnded = true;
  });
  const seen: number[] = [];
  for await (const n of whileAllowed(source, async () => ++looks < 3, 0)) seen.push(n);
  expect(seen).toEqual([1, 2]);
  expect(sourceEnded).toBe(true);
});

test('the right to follow is not asked for each event', async () => {
  let looks = 0;
  const isAllowed = async () => ++looks > 0;
  for await (const n of whileAllowed(
    counting(() => {}),
    isAllowed,
  ))
    if (n === 1000) break;
  expect(looks).toBe(0);
});
