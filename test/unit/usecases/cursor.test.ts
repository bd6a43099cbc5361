import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pageOf, readCursor, writeCursor } from '../../../src/usecases/cursor.ts';

describe('a cursor', () => {
  it('gives back the key that it was made of', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('\0')),
        (name) => {
          expect(readCursor('agents', writeCursor('agents', name), ['text'])).toEqual([name]);
        },
      ),
    );
  });

  it('of another list, or made up, is refused', () => {
    const time = '2026-11-21T15:51:47.574995Z';
    const id = '01a1fecd-f8ca-75d1-bca7-f750c85b68bf';
    const good = writeCursor('tokens', time, id);
    expect(readCursor('tokens', good, ['time', 'uuid'])).toEqual([time, id]);
    for (const [list, cursor] of [
      ['deliveries', good],
      ['tokens', `${good}x`],
      ['tokens', ''],
      ['tokens', writeCursor('tokens', time)],
      ['tokens', writeCursor('tokens', 'yesterday', id)],
      ['tokens', writeCursor('tokens', time, `${id}' or true`)],
      ['tokens', Buffer.from('null').toString('base64url')],
      ['tokens', Buffer.from('["tokens",1,2]').toString('base64url')],
    ] as const) {
      expect(() => readCursor(list, cursor, ['time', 'uuid'])).toThrow(
        expect.objectContaining({ code: 'invalid', fields: [expect.objectContaining({ field: 'cursor' })] }),
      );
    }
  });

  it('is there only when another page follows', () => {
    expect(pageOf([1, 2, 3], 2, String)).toEqual({ items: [1, 2], nextCursor: '2' });
    expect(pageOf([1, 2], 2, String)).toEqual({ items: [1, 2], nextCursor: null });
    expect(pageOf([], 2, String)).toEqual({ items: [], nextCursor: null });
  });
});
