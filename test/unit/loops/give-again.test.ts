import { expect, it } from 'vitest';
import { createGiveAgain } from '../../../src/loops/give-again.ts';

const SECOND = 1_000;

it('an order is given once, and again more and more seldom while nothing comes of it', () => {
  let now = 0;
  const orders = createGiveAgain(() => now);
  const given: number[] = [];
  for (; now < 1_000 * SECOND; now += SECOND) if (orders.due('a')) given.push(now / SECOND);
  expect(given).toEqual([0, 15, 45, 105, 225, 465, 705, 945]);
});

it('after contact was lost it is given anew, and one attempt says nothing of another', () => {
  const orders = createGiveAgain(() => 0);
  expect([orders.due('a'), orders.due('a'), orders.due('b')]).toEqual([true, false, true]);
  orders.reset();
  expect(orders.due('a')).toBe(true);
});

it('what is settled is forgotten, and what is not stays given', () => {
  const orders = createGiveAgain(() => 0);
  orders.due('a');
  orders.due('b');
  orders.only(['b']);
  expect([orders.due('a'), orders.due('b')]).toEqual([true, false]);
});
