import { expect, test } from 'vitest';
import { createRefusedDeliveries } from '../../../src/usecases/forge/refused-deliveries.ts';

test('deliveries with a wrong signature are counted by forge, in this hour and the one before', () => {
  let nowMs = 7_199_000;
  const refused = createRefusedDeliveries(() => nowMs);
  expect(refused.lately()).toEqual([]);
  refused.note('main');
  refused.note('main');
  refused.note('other');
  nowMs += 2_000;
  refused.note('main');
  expect(refused.lately()).toEqual([
    { forge: 'main', deliveries: 3 },
    { forge: 'other', deliveries: 1 },
  ]);
  nowMs += 3_600_000;
  expect(refused.lately()).toEqual([{ forge: 'main', deliveries: 1 }]);
  nowMs += 7_200_000;
  expect(refused.lately()).toEqual([]);
});
