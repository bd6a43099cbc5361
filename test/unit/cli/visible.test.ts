import { describe, expect, test } from 'vitest';
import { createVisibleText } from '../../../src/cli/visible.ts';
import { visible, visibleLines } from '../../../src/domain/visible.ts';

const ESC = '\u001b';

describe('text from outside', () => {
  test('is shown, and what a terminal would obey is a picture of it', () => {
    expect(visible(`${ESC}]0;owned\u0007`)).toBe('␛]0;owned␇');
    expect(visible('a\r\nb\tc\0\u007f')).toBe('a␍␊b␉c␀␡');
    expect(visible('\u009b2J')).toBe('⟨U+009B⟩2J');
    expect(visible('user\u202egnp.exe')).toBe('user⟨U+202E⟩gnp.exe');
    expect(visible('Žluťoučký 漢字 👍🏽')).toBe('Žluťoučký 漢字 👍🏽');
  });

  test('of many lines keeps its lines and tabs', () => {
    expect(visibleLines(`a\r\n\tb\rc${ESC}[2J\n`)).toBe('a\n\tb␍c␛[2J\n');
  });

  test('that comes in pieces is put together before it is judged', () => {
    const text = createVisibleText();
    const bytes = Buffer.from(`é\r\n${ESC}[31mx\r`);
    const pieces = Array.from(bytes, (byte) => text.push(Uint8Array.of(byte)));
    expect(pieces.join('') + text.end()).toBe('é\n␛[31mx␍');
  });

  test('that is no UTF-8 is marked where it is not', () => {
    const text = createVisibleText();
    expect(text.push(Buffer.from([0x61, 0xff, 0x62, 0xc3])) + text.end()).toBe('a\ufffdb\ufffd');
  });
});
