import { expect, test } from 'vitest';
import { createServerClock } from '../../../src/agent/server-clock.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = Date.UTC(2026, 10, 21, 12);
const at = (ms: number) => new Date(ms).toUTCString();

test.each([-HOUR_MS, 0, HOUR_MS])("the server's time is known though ours is wrong by %d ms", (wrongMs) => {
  let nowMs = NOW_MS;
  const clock = createServerClock(() => nowMs + wrongMs);
  clock.hear(at(nowMs));
  expect(Math.abs(clock.nowMs() - nowMs)).toBeLessThanOrEqual(500);
  nowMs += 10_000;
  expect(Math.abs(clock.nowMs() - nowMs)).toBeLessThanOrEqual(500);
});

test('the next answer puts it right again when ours was changed, and one without a date changes nothing', () => {
  let wrongMs = 0;
  const clock = createServerClock(() => NOW_MS + wrongMs);
  clock.hear(at(NOW_MS));
  wrongMs = HOUR_MS;
  clock.hear(null);
  clock.hear('nonsense');
  expect(clock.nowMs() - NOW_MS).toBeGreaterThan(HOUR_MS - 1);
  clock.hear(at(NOW_MS));
  expect(Math.abs(clock.nowMs() - NOW_MS)).toBeLessThanOrEqual(500);
});
