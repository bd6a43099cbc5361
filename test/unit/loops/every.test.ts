import { expect, it } from 'vitest';
import { every } from '../../../src/loops/every.ts';
import { waitFor } from '../../support/wait-for.ts';

const HOUR = 3_600_000;

function recorder() {
  const lines: string[] = [];
  const note = (_: object, message: string) => lines.push(message);
  return { lines, log: { info: note, error: note } };
}

it('a turn is taken at once, and once more for each nudge that came meanwhile, never two at a time', async () => {
  let running = 0;
  let turns = 0;
  const release: (() => void)[] = [];
  const loop = every({
    name: 'test',
    everyMs: HOUR,
    log: recorder().log,
    async turn() {
      running++;
      turns++;
      expect(running).toBe(1);
      await new Promise<void>((resolve) => release.push(resolve));
      running--;
    },
  });
  loop.nudge();
  loop.nudge();
  release.shift()?.();
  await waitFor(() => turns === 2);
  release.shift()?.();
  const stopped = loop.stop();
  await stopped;
  expect(turns).toBe(2);
});

it('a turn that fails is told once, and so is that it works again', async () => {
  const { lines, log } = recorder();
  let turns = 0;
  const loop = every({
    name: 'test',
    everyMs: 1,
    log,
    async turn() {
      turns++;
      if (turns <= 3) throw new Error('no');
    },
  });
  await waitFor(() => turns > 5);
  await loop.stop();
  expect(lines).toEqual(['test failed, trying again', 'test works again']);
});

it('stopping waits for the turn that runs, and its signal is aborted', async () => {
  let ended = false;
  const loop = every({
    name: 'test',
    everyMs: HOUR,
    log: recorder().log,
    turn: (signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          ended = true;
          resolve();
        });
      }),
  });
  await loop.stop();
  expect(ended).toBe(true);
});
