import { expect, test } from 'vitest';
import type { Api } from '../../../src/demo/api.ts';
import { followLines } from '../../../src/demo/live-log.ts';

const log = (offset: number, text: string) =>
  `event: log\ndata: ${JSON.stringify({ stream: 'stdout', offset, base64: Buffer.from(text).toString('base64') })}\n\n`;

test('a log whose stream breaks is told whole, each line once', async () => {
  const streams = [
    `:\n\n${log(0, 'one\ntw')}${log(6, 'o\nth')}`,
    `${log(4, 'two\nth') + log(10, 'ree\nfo')}event: end\ndata: {}\n\n`,
  ];
  const asked: number[] = [];
  const api = {
    follow: async (_: string, offset: number) => {
      asked.push(offset);
      return new Response(streams[asked.length - 1]);
    },
  } as unknown as Api;
  const lines: string[] = [];
  await followLines(api, 'attempt', new AbortController().signal, (line) => lines.push(line));
  expect(lines).toEqual(['one', 'two', 'three', 'fo']);
  expect(asked).toEqual([0, 10]);
});
