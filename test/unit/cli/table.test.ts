import { describe, expect, test } from 'vitest';
import { ago, span } from '../../../src/cli/ages.ts';
import { type Column, table, widthOf } from '../../../src/cli/table.ts';

type Row = { name: string; size: number; note: string };
const columns: Column<Row>[] = [
  { title: 'NAME', cell: (row) => row.name, paint: (text) => `<${text}>` },
  { title: 'SIZE', cell: (row) => `${row.size}`, right: true },
  { title: 'NOTE', cell: (row) => row.note },
];

describe('a table', () => {
  test('stands in columns, numbers from the right, painted without moving anything', () => {
    const rows = [
      { name: 'a', size: 12345, note: 'x' },
      { name: '漢字x', size: 7, note: '' },
    ];
    expect(table(columns, rows, null)).toBe('NAME    SIZE  NOTE\n<a    >  12345  x\n<漢字x>      7\n');
  });

  test('is cut at the end of the screen, and not where a program reads it', () => {
    const rows = [{ name: 'a', size: 1, note: 'a rather long note, longer than the screen' }];
    expect(table(columns, rows, 30).split('\n')[1]).toBe('<a   >     1  a rather long not…');
    expect(table(columns, rows, null)).toContain('longer than the screen');
  });

  test('shows a line break in a cell instead of making one', () => {
    expect(table(columns, [{ name: 'a\nb', size: 1, note: '\u001b[2J' }], null).split('\n')).toHaveLength(3);
  });
});

test('a letter takes two places, one, or none', () => {
  expect([widthOf('abc'), widthOf('漢字'), widthOf('e\u0301'), widthOf('🚀')]).toEqual([3, 4, 1, 2]);
});

test('an age is told in its largest unit', () => {
  expect([span(0), span(59.9), span(60), span(7199), span(86_400 * 3)]).toEqual(['0 s', '59 s', '1 min', '1 h', '3 d']);
  expect(ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:02:00Z'))).toBe('2 min');
  expect(ago('2026-01-01T00:00:01Z', Date.parse('2026-01-01T00:00:00Z'))).toBe('0 s');
});
