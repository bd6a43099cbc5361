import { describe, expect, test } from 'vitest';
import { inPath, pairs, priorityArgument, several, wholeNumber } from '../../../src/cli/arguments.ts';
import { serverSentEvents } from '../../../src/cli/server-sent-events.ts';

describe('an argument', () => {
  test('that is a number is whole and within its bounds', () => {
    const read = wholeNumber(1, 10);
    expect([read('1'), read('10')]).toEqual([1, 10]);
    for (const wrong of ['0', '11', '-1', '1.5', '1e1', '0x1', '', ' 1']) {
      expect(() => read(wrong), wrong).toThrow('whole number from 1 to 10');
    }
  });

  test('that is a pair is split at its first equals sign', () => {
    expect(pairs('B=x=y', pairs('A='))).toEqual({ A: '', B: 'x=y' });
    expect(() => pairs('A')).toThrow('NAME=VALUE');
    expect(() => pairs('=x')).toThrow('NAME=VALUE');
  });

  test('may be given several times', () => {
    expect(several('b', several('a'))).toEqual(['a', 'b']);
  });

  test('that is a priority is a number or a name', () => {
    expect([priorityArgument('7'), priorityArgument('high')]).toEqual([7, 'high']);
  });

  test('that is an id stays in its place in the address', () => {
    expect(inPath('../tokens?x')).toBe('..%2Ftokens%3Fx');
    for (const wrong of ['', '.', '..']) expect(() => inPath(wrong)).toThrow('is not an id');
  });
});

test('the events of a stream are read whole, however they are cut', async () => {
  const text =
    ': hello\n\nid: 1\nevent: log\ndata: {"a":\ndata: "ž"}\n\ndata:x\r\n\r\nevent: end\ndata: {}\n\nid: 9\ndata: cut';
  const bytes = Buffer.from(text);
  for (const size of [1, 3, bytes.length]) {
    async function* body() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const events: unknown[] = [];
    for await (const event of serverSentEvents(body())) events.push(event);
    expect(events).toEqual([
      { id: '1', event: 'log', data: '{"a":\n"ž"}' },
      { id: null, event: 'message', data: 'x' },
      { id: null, event: 'end', data: '{}' },
    ]);
  }
});
