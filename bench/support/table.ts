import { type FigureRows, isMet, isMissing, median, type Row } from './rows.ts';

const number = (value: number): string => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
};

/** "median [min..max]" of the rounds. */
export function told({ rounds, unit }: Row): string {
  if (rounds.length === 0) return '–';
  const value = `${number(median(rounds))} ${unit}`;
  return rounds.length === 1 ? value : `${value} [${number(Math.min(...rounds))}..${number(Math.max(...rounds))}]`;
}

function goalOf({ goal }: Row): string {
  if (goal === undefined) return '';
  const sign = goal.is === 'at least' ? '≥' : '≤';
  return `${sign} ${goal.value}${goal.stretch === undefined ? '' : ` (stretch ${goal.stretch})`}`;
}

const WORDS = { true: 'yes', false: 'NO', null: '' } as const;

/** Lines of columns: what, median [min..max], goal, whether it is met. */
export function table(rows: FigureRows): string {
  const cells = rows.map((row) =>
    isMissing(row)
      ? [row.title, `– (${row.missing.split('\n')[0]?.slice(0, 120)})`, '', '']
      : [row.title, told(row), goalOf(row), WORDS[`${isMet(row)}`], row.note ?? ''],
  );
  const widthOf = (column: number) => Math.max(...cells.map((line) => line[column]?.length ?? 0));
  const widths = [0, 1, 2, 3].map((column) => Math.min(widthOf(column), 90));
  return cells.map((line) => `  ${line.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join('  ')}`.trimEnd()).join('\n');
}
