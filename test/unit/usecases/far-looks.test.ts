import { expect, it } from 'vitest';
import { createFarLooks } from '../../../src/usecases/dequeue/far-looks.ts';

const spot = (rank: number, id = 'a') => ({ rank, id });

it('a look goes on where the one before it ended', () => {
  const looks = createFarLooks();
  expect(looks.from(['x'], spot(1))).toEqual(spot(1));
  looks.note(['x'], spot(5));
  expect(looks.from(['x'], spot(1))).toEqual(spot(5));
  expect(looks.from(['y'], spot(1))).toEqual(spot(1));
});

it('a look for several passes over nothing that one of them has not seen, and takes nothing back', () => {
  const looks = createFarLooks();
  looks.note(['x'], spot(5));
  looks.note(['y'], spot(3, 'b'));
  expect(looks.from(['x', 'y'], spot(1))).toEqual(spot(3, 'b'));
  expect(looks.from(['x', 'y', 'z'], spot(1))).toEqual(spot(1));
  looks.note(['x', 'y'], spot(4));
  expect(looks.from(['x'], spot(1))).toEqual(spot(5));
  expect(looks.from(['y'], spot(1))).toEqual(spot(4));
});

it('what is in front by now is not looked at again', () => {
  const looks = createFarLooks();
  looks.note(['x'], spot(5));
  expect(looks.from(['x'], spot(5, 'b'))).toEqual(spot(5, 'b'));
});

it('at the end it begins anew', () => {
  const looks = createFarLooks();
  looks.note(['x', 'y'], spot(5));
  looks.note(['x'], null);
  expect(looks.from(['x'], spot(1))).toEqual(spot(1));
  expect(looks.from(['y'], spot(1))).toEqual(spot(5));
});

it('of very many agents it is forgotten', () => {
  const looks = createFarLooks();
  for (let n = 0; n < 10_000; n++) looks.note([`${n}`], spot(5));
  looks.note(['one more'], spot(5));
  expect(looks.from(['0'], spot(1))).toEqual(spot(1));
  expect(looks.from(['one more'], spot(1))).toEqual(spot(5));
});
