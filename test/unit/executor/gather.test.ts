import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { gather } from '../../../src/executor/wrapper/transport.ts';

test('what nobody takes any more is read to its end, though more of it waits', async () => {
  const sources = { stdout: new PassThrough(), stderr: new PassThrough() };
  const failures: string[] = [];
  let taken = 0;
  const onOutput = async () => {
    taken += 1;
    throw new Error('out of step');
  };
  const { ended } = gather(sources, { onOutput, maxBytes: 1000 }, ({ message }) => failures.push(message));
  for (const piece of ['one', 'two', 'three']) sources.stdout.write(piece);
  sources.stdout.end();
  sources.stderr.end();
  await ended;
  expect([taken, failures]).toEqual([1, ['out of step']]);
});
