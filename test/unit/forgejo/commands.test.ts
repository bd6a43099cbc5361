import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { firstLine, parseCommand, parseRun } from '../../../src/forgejo/commands.ts';

describe('the command that a comment begins with', () => {
  test.each([
    ['/run', { name: 'run', rest: '' }],
    ['/run fix this please', { name: 'run', rest: 'fix this please' }],
    ['/run   two  spaces  ', { name: 'run', rest: 'two  spaces' }],
    ['/run\ttab', { name: 'run', rest: 'tab' }],
    ['/run\u00a0no-break space', { name: 'run', rest: 'no-break space' }],
    ['\n\n   /run after blanks', { name: 'run', rest: 'after blanks' }],
    ['/run with crlf\r\nsecond line\r\n', { name: 'run', rest: 'with crlf' }],
    ['/cancel\n\nNot needed any more.', { name: 'cancel', rest: '' }],
    ['/runner is a different word', { name: 'runner', rest: 'is a different word' }],
    ['```\n/run inside\n```\n/run outside', { name: 'run', rest: 'outside' }],
    ['~~~ sh\n```\n/run inside\n~~~\n/run outside', { name: 'run', rest: 'outside' }],
    ['````\n```\n/run inside\n````\n/run outside', { name: 'run', rest: 'outside' }],
    ['> It fails\n\n/run fix it now', { name: 'run', rest: 'fix it now' }],
    ['> ```\n> /run quoted code\n> ```\n/run real', { name: 'run', rest: 'real' }],
    ['> # A heading\n/run real', { name: 'run', rest: 'real' }],
    ['>\n/run after an empty quote', { name: 'run', rest: 'after an empty quote' }],
    ['    /run in code\n\n/run real', { name: 'run', rest: 'real' }],
    ['\t/run in code\n\n/run real', { name: 'run', rest: 'real' }],
    ['  \t/run in code\n\n/run real', { name: 'run', rest: 'real' }],
  ])('%j is a command', (comment, command) => {
    expect(parseCommand(comment)).toEqual(command);
  });

  test.each([
    [''],
    ['   \n\t\n'],
    ['please /run'],
    ['Not needed any more.\n\n/cancel'],
    ['/RUN in capitals'],
    ['/ run'],
    ['//run'],
    ['/run: fix'],
    ['`/run`'],
    ['**/run**'],
    ['- /run'],
    ['<!-- taskejo:task=1 -->\n/run pretend'],
    ['<!--\n/run hidden\n-->'],
    ['\u0001\u0002/run \b'],
    ['\ufeff/run'],
    ['```\n/run inside a fence\n```\nThis only shows how it is done.'],
    ['```\n/run in a fence that never ends'],
    ['```\n``` not closed by this\n/run still inside'],
    ['~~~\n```\n/run another mark does not close\n```'],
    ['```/run on the line of the fence'],
    ['```a`b is no fence\n```\n/run after'],
    ['    /run indented\n\nas above'],
    ['\t/run indented by a tab'],
    ['  \t/run indented by blanks and a tab'],
    ['> /run quoted\n\nDid that work?'],
    ['> > /run quoted twice'],
    ['>/run without a blank'],
    ['> I said\n/run in the same paragraph of the quote'],
    ['> I said\nand more\n/run still in the quote'],
    ['> - in a list\n/run lazily in the list'],
    ['> ```\n> /run in a quoted fence that never ends'],
  ])('%j is none', (comment) => {
    expect(parseCommand(comment)).toBeNull();
  });

  test('line ends of all kinds are alike', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      expect(parseCommand(`> quoted${end}${end}/run now${end}more`)).toEqual({ name: 'run', rest: 'now' });
    }
  });

  test('a command is found whatever quote, code or blank lines stand before it, and whatever text follows', () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/);
    const aside = fc.oneof(
      fc.constant(''),
      word.map((text) => `> /run ${text}\n`),
      word.map((text) => `\`\`\`\n/run ${text}\n\`\`\`\n`),
      word.map((text) => `    /run ${text}\n`),
    );
    fc.assert(
      fc.property(fc.array(aside, { maxLength: 6 }), word, fc.string({ unit: 'grapheme' }), (asides, words, after) => {
        expect(parseCommand(`${asides.join('\n')}\n/run ${words}\n${after}`)).toEqual({ name: 'run', rest: words });
      }),
    );
  });

  test('no line within quotes or indented code is ever a command', () => {
    const line = fc.string({ unit: 'grapheme-ascii' }).map((text) => text.replaceAll(/[\r\n]/g, ' '));
    const shielded = fc.oneof(
      line.map((text) => `> ${text}`),
      fc.constant('> /run'),
      fc.constant('    /run'),
    );
    fc.assert(
      fc.property(fc.array(shielded), (lines) => {
        expect(firstLine(lines.filter((text) => !/^> {0,3}[`~]{3}/.test(text)).join('\n\n'))).toBeNull();
      }),
    );
  });

  test('any text is read without an error, and what is read never holds a line end', () => {
    const piece = fc.constantFrom('>', ' ', '`', '```', '~~~', '/run', 'x', '\t', '\n', '\r\n', '    ', '# ');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const line = firstLine(pieces.join(''));
        expect(line ?? '').not.toMatch(/[\r\n]/);
      }),
    );
  });

  test('a megabyte of quotes or blanks is read in linear time', () => {
    const begin = performance.now();
    expect(parseCommand(`${'> '.repeat(500_000)}\n\n/run`)).toEqual({ name: 'run', rest: '' });
    expect(parseCommand(`${' '.repeat(1_000_000)}\n\n/run`)).toEqual({ name: 'run', rest: '' });
    expect(parseCommand('>\n'.repeat(500_000))).toBeNull();
    expect(performance.now() - begin).toBeLessThan(5_000);
  });
});

describe('/run [template] [words]', () => {
  test.each([
    ['', { template: null, words: '' }],
    ['fix', { template: 'fix', words: '' }],
    ['fix this please', { template: 'fix', words: 'this please' }],
    ['fixed this', { template: null, words: 'fixed this' }],
    ['FIX this', { template: null, words: 'FIX this' }],
    ['please fix', { template: null, words: 'please fix' }],
    ['claude  {{ words }} $(id)', { template: 'claude', words: '{{ words }} $(id)' }],
  ])('of %j the first word is the template if one has that name', (rest, run) => {
    expect(parseRun(rest, ['claude', 'fix'])).toEqual(run);
  });

  test('names that every object has are no templates', () => {
    expect(parseRun('constructor x', [])).toEqual({ template: null, words: 'constructor x' });
  });
});
