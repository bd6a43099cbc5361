import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { paint } from '../../../src/dashboard/log/paint.ts';
import { classesOf, PLAIN, readStyle, restyled, writeStyle } from '../../../src/dashboard/log/style.ts';

const ESC = '\x1b';
const painted = (line: string) =>
  paint(line, PLAIN).spans.map(({ text, classes }) => (classes === '' ? text : [text, classes]));
const shown = (line: string) =>
  paint(line, PLAIN)
    .spans.map(({ text }) => text)
    .join('');

describe('a line of a log', () => {
  it.each([
    ['plain', ['plain']],
    ['', []],
    [`${ESC}[31mred${ESC}[0m plain`, [['red', 'red'], ' plain']],
    [
      `${ESC}[1;32mboth${ESC}[22mgreen`,
      [
        ['both', 'bold green'],
        ['green', 'green'],
      ],
    ],
    [`${ESC}[mno parameters`, ['no parameters']],
    [`${ESC}[91mbright${ESC}[39m none`, [['bright', 'red'], ' none']],
    [`${ESC}[90mgrey`, [['grey', 'dim']]],
    [`${ESC}[41mFAIL`, [['FAIL', 'on-red']]],
    [`${ESC}[7mturned`, [['turned', 'on-dim']]],
    [`${ESC}[31;7mturned`, [['turned', 'on-red']]],
    [
      `${ESC}[38;5;196mof 256${ESC}[38;5;8m grey`,
      [
        ['of 256', 'red'],
        [' grey', 'dim'],
      ],
    ],
    [`${ESC}[38;2;20;200;30mof bytes`, [['of bytes', 'green']]],
    [`${ESC}[48;5;21;1mon blue`, [['on blue', 'bold on-blue']]],
    [`${ESC}[97mwhite and ${ESC}[30mblack are the text's own`, ["white and black are the text's own"]],
    [`${ESC}[3;4;9mall`, [['all', 'italic underline strike']]],
    [`${ESC}[999mnobody knows`, ['nobody knows']],
  ])('shows %j as spans', (line, spans) => {
    expect(painted(line)).toEqual(spans);
  });

  it.each([
    ['moves and erases', `a${ESC}[2Kb${ESC}[10;20Hc${ESC}[?25l${ESC}[1 qd`, 'abcd'],
    ['titles and links', `${ESC}]0;title\x07a${ESC}]8;;https://evil.example\x1b\\b${ESC}]8;;\x1b\\c`, 'abc'],
    ['strings without an end', `a${ESC}Pq#0;2`, 'a'],
    ['character sets and resets', `${ESC}(Ba${ESC}cb${ESC}7c`, 'abc'],
    ['an escape at the end', `a${ESC}`, 'a'],
    ['a sequence that is cut', `a${ESC}[31`, 'a'],
  ])('leaves out %s', (_, line, text) => {
    expect(shown(line)).toBe(text);
  });

  it('shows what a terminal would show after it went back to the beginning of the line', () => {
    expect(shown('10%\r50%\r100%')).toBe('100%');
    expect(shown('ends in both\r')).toBe('ends in both');
    expect(shown('50%\r')).toBe('50%');
  });

  it('makes visible what is hidden and turns no text around', () => {
    expect(shown('a\x07b\x00c\x08d')).toBe('a␇b␀c␈d');
    expect(shown('user\u202egnp.exe')).toBe('user⟨U+202E⟩gnp.exe');
    expect(shown('a\tb')).toBe('a\tb');
  });

  it('goes on with the style that the line before has left', () => {
    const { style } = paint(`${ESC}[1;34mblue`, PLAIN);
    expect(paint('still', style).spans).toEqual([{ text: 'still', classes: 'bold blue' }]);
  });

  it('never becomes more spans than a page can bear', () => {
    const line = Array.from({ length: 5_000 }, (_, i) => `${ESC}[${31 + (i % 6)}mx`).join('');
    expect(paint(line, PLAIN).spans.length).toBeLessThanOrEqual(500);
    expect(shown(line)).toBe('x'.repeat(5_000));
  });
});

/** Text that is rich in what terminals obey. */
const wild = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\x1b[',
        '\x1b]',
        '\x1b',
        'm',
        ';',
        '0',
        '31',
        '38;5;',
        '\x07',
        '\r',
        '\x9b',
        '\u202e',
        '<script>',
      ),
      fc.string({ unit: 'binary' }),
    ),
  )
  .map((parts) => parts.join('').replaceAll('\n', ''));

const known = /^(?:(?:bold|faint|italic|underline|strike|(?:on-)?(?:red|green|yellow|blue|magenta|cyan|dim))(?: |$))*$/;

describe('whatever a program prints', () => {
  it('leaves nothing that a terminal or a browser obeys', () => {
    fc.assert(
      fc.property(wild, (line) => {
        const { spans } = paint(line, PLAIN);
        expect(spans.map(({ text }) => text).join('')).not.toMatch(/(?!\t)[\p{Cc}\p{Bidi_Control}]/u);
        for (const { classes } of spans) expect(classes).toMatch(known);
      }),
    );
  });

  it('has a style that can be written down and read again', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom(...'0123456789;:') })), (all) => {
        const style = all.reduce(restyled, PLAIN);
        expect(classesOf(readStyle(writeStyle(style)))).toBe(classesOf(style));
        expect(writeStyle(readStyle(writeStyle(style)))).toBe(writeStyle(style));
      }),
    );
  });

  it('has no style that somebody else has written', () => {
    fc.assert(fc.property(fc.string(), (text) => void expect(classesOf(readStyle(text))).toMatch(known)));
    expect(readStyle('99zz')).toEqual(PLAIN);
  });
});
