import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createLineReader,
  type Item,
  lineId,
  readPosition,
  spansOf,
  writePosition,
} from '../../../src/dashboard/log/lines.ts';
import { createWindow } from '../../../src/dashboard/log/window.ts';

const bytes = (text: string) => Buffer.from(text);
const plain = (item: Item) =>
  item.kind === 'gap'
    ? `gap of ${item.bytes} after ${item.after}`
    : `${lineId(item)} ${spansOf(item)
        .map(({ text, classes }) => (classes ? `{${classes}:${text}}` : text))
        .join('')}${item.cut > 0 ? ` +${item.cut}` : ''}`;

function read(...pieces: readonly (readonly [offset: number, text: string | Uint8Array])[]) {
  const reader = createLineReader('stdout');
  const items = pieces.flatMap(([offset, text]) => reader.push({ offset, bytes: Buffer.from(text) }));
  const last = reader.unfinished();
  return { lines: items.map(plain), unfinished: last && plain(last), reader };
}

describe('the lines of a stream', () => {
  it('are numbered from 1, and the last one may not have ended', () => {
    expect(read([0, 'one\ntwo\n\nfo'])).toMatchObject({ lines: ['L1 one', 'L2 two', 'L3 '], unfinished: 'L4 fo' });
    expect(read([0, 'one\n'])).toMatchObject({ lines: ['L1 one'], unfinished: null });
  });

  it('go on over the borders of pieces, and a repeated piece changes nothing', () => {
    expect(read([0, 'on'], [2, 'e\nt'], [2, 'e\nt'], [5, 'wo\n']).lines).toEqual(['L1 one', 'L2 two']);
  });

  it('of stderr are named otherwise', () => {
    const reader = createLineReader('stderr');
    expect(reader.push({ offset: 0, bytes: bytes('oops\n') }).map(plain)).toEqual(['E1 oops']);
  });

  it('say where bytes are missing, and are numbered as kept', () => {
    expect(read([0, 'one\ntw'], [100, 'ree\nfour\n']).lines).toEqual([
      'L1 one',
      'L2 tw',
      'gap of 94 after 2',
      'L3 ree',
      'L4 four',
    ]);
  });

  it('are cut when they are too long for a page, and the style is plain after that', () => {
    const { lines } = read([0, `\x1b[31m${'x'.repeat(10_000)}\nplain\n`]);
    expect(lines[0]).toMatch(/^L1 \{red:x+\} \+5909$/);
    expect(lines[1]).toBe('L2 plain');
  });

  it('keep letters whole that a piece or the cut has split', () => {
    const text = bytes('ä\n');
    expect(read([0, text.subarray(0, 1)], [1, text.subarray(1)]).lines).toEqual(['L1 ä']);
    expect(read([0, `${'x'.repeat(4095)}ä\n`]).lines[0]).toMatch(/^L1 x+ \+1$/);
  });

  it('carry the style from one to the next', () => {
    expect(read([0, '\x1b[32mgreen\nstill\x1b[0m\nnot\n']).lines).toEqual([
      'L1 {green:green}',
      'L2 {green:still}',
      'L3 not',
    ]);
  });

  it('are the same however the bytes were cut into pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'ä', '\n', '\x1b[31m', '\x1b[0m', '\r', '\r\n', '€', '\xff')),
        fc.array(fc.nat(5)),
        (parts, cuts) => {
          const all = bytes(parts.join(''));
          const whole = createLineReader('stdout');
          const wholeItems = whole.push({ offset: 0, bytes: all });
          const pieces = createLineReader('stdout');
          let at = 0;
          const items = [...cuts, all.length].flatMap((cut) => {
            const piece = pieces.push({ offset: at, bytes: all.subarray(at, at + cut) });
            at = Math.min(all.length, at + cut);
            return piece;
          });
          expect(items.map(plain)).toEqual(wholeItems.map(plain));
          expect(pieces.position()).toEqual(whole.position());
        },
      ),
    );
  });

  it('go on from a position that was written down as if nothing had happened', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '\n', '\x1b[1;35m', '\x1b[0m')), fc.nat(30), (parts, cut) => {
        const all = bytes(parts.join(''));
        const whole = createLineReader('stdout');
        const expected = whole.push({ offset: 0, bytes: all }).map(plain);
        const first = createLineReader('stdout');
        const before = first.push({ offset: 0, bytes: all.subarray(0, cut) }).map(plain);
        const position = readPosition(writePosition(first.position()));
        const second = createLineReader('stdout', position ?? undefined);
        const from = second.wants();
        const after = second.push({ offset: from, bytes: all.subarray(from) }).map(plain);
        expect([...before, ...after]).toEqual(expected);
      }),
    );
  });

  it('have no position that somebody else has written', () => {
    for (const text of ['', '0', '0.0.0000', '-1.1.0000', '1e3.1.0000', '0.1.0000.1', '9999999999999999.1.0000']) {
      expect(readPosition(text)).toBeNull();
    }
  });
});

const lines = (from: number, to: number): Item[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    kind: 'line',
    stream: 'stdout',
    number: from + i,
    bytes: bytes('x'),
    cut: 0,
    style: {},
  }));
const numbers = (items: readonly Item[]) => items.flatMap((item) => (item.kind === 'line' ? [item.number] : []));

describe('a window on a log', () => {
  it('holds the last lines', () => {
    const window = createWindow(null, 10);
    for (let i = 0; i < 10; i++) window.add(lines(i * 7 + 1, i * 7 + 7));
    expect(window.window()).toMatchObject({ earlier: true, later: false });
    expect(numbers(window.window().items)).toEqual([61, 62, 63, 64, 65, 66, 67, 68, 69, 70]);
  });

  it('holds all of a log that fits', () => {
    const window = createWindow(null, 10);
    window.add(lines(1, 10));
    expect(window.window()).toMatchObject({ earlier: false, later: false });
  });

  it('holds the lines around the one that is asked for', () => {
    const window = createWindow('L50', 10);
    window.add(lines(1, 100));
    expect(window.window()).toMatchObject({ earlier: true, later: true });
    expect(numbers(window.window().items)).toEqual([46, 47, 48, 49, 50, 51, 52, 53, 54, 55]);
  });

  it('holds the beginning when a line there is asked for', () => {
    const window = createWindow('L2', 10);
    window.add(lines(1, 100));
    expect(window.window()).toMatchObject({ earlier: false, later: true });
    expect(numbers(window.window().items)[0]).toBe(1);
  });

  it('holds the last lines when the one that is asked for is not there', () => {
    const window = createWindow('L500', 10);
    window.add(lines(1, 100));
    expect(window.window()).toMatchObject({ earlier: true, later: false });
    expect(numbers(window.window().items).at(-1)).toBe(100);
  });

  it('stays small whatever comes', () => {
    const window = createWindow(null, 100);
    for (let i = 0; i < 500; i++) window.add(lines(i * 100 + 1, i * 100 + 100));
    expect(window.window().items).toHaveLength(100);
  });
});
