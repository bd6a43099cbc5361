import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Stream } from '../../../src/domain/machine.ts';
import { liveReader } from '../../../src/executor/wrapper/live-reader.ts';

const REPLY = 'taskejo1 running - - 1 2 b s b 0 0 0 0 0 - - 0 0 \n';

async function read(stream: Stream, chunks: Buffer[], from = 5) {
  const got: { offset: number; text: string }[] = [];
  const reader = liveReader({ stdout: from, stderr: from }, async (piece) => {
    got.push({ offset: piece.offset, text: Buffer.from(piece.bytes).toString() });
  });
  for (const chunk of chunks) await reader.read(stream, chunk);
  return { got, begun: reader.begun() };
}

test("live output begins after the answer's line, wherever the pieces are cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(60), { maxLength: 6 }), async (cuts) => {
      const whole = Buffer.from(`${REPLY}one\ntaskejo1 two\n`);
      const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
      const chunks = at.slice(1).map((end, i) => whole.subarray(at[i], end));
      const { got, begun } = await read('stdout', chunks);
      expect(begun).toBe(true);
      expect(got.map((one) => one.text).join('')).toBe('one\ntaskejo1 two\n');
      expect(got[0]?.offset).toBe(5);
    }),
  );
});

test('what a start-up file wrote to standard error before the line is skipped', async () => {
  const { got } = await read('stderr', [Buffer.from('warning: x\nmore'), Buffer.from(` of it\n${REPLY}err`)]);
  expect(got).toEqual([{ offset: 5, text: 'err' }]);
});

test('what a start-up file wrote to standard output before the line is an error', async () => {
  await expect(read('stdout', [Buffer.from(`hello\n${REPLY}out`)])).rejects.toMatchObject({ kind: 'noise' });
});
