import { visible } from '../domain/visible.ts';

export type Column<T> = {
  title: string;
  cell: (row: T) => string;
  /** Numbers stand under each other from the right. */
  right?: boolean;
  /** Colours a cell that is as wide as its column already. */
  paint?: (text: string, row: T) => string;
};

/**
 * A table for people. Cells come from outside: what a terminal would obey is shown. The last column is cut where the
 * screen ends; `width` null: it isn't.
 */
export function table<T>(columns: readonly Column<T>[], rows: readonly T[], width: number | null): string {
  const cells = rows.map((row) => columns.map((column) => visible(column.cell(row))));
  const widths = columns.map((column, at) =>
    Math.max(...[column.title, ...cells.map((row) => row[at] ?? '')].map(widthOf)),
  );
  const before = widths.slice(0, -1).reduce((sum, one) => sum + one + GAP.length, 0);
  const last = columns.length - 1;
  const shorten = (text: string, at: number) =>
    at === last && width !== null ? cut(text, Math.max(MIN_LAST, width - before)) : text;

  const line = (texts: readonly string[], row: T | null) =>
    columns
      .map((column, at) => {
        const text = pad(
          shorten(texts[at] ?? '', at),
          at === last && column.right !== true ? 0 : (widths[at] ?? 0),
          column,
        );
        return row === null || column.paint === undefined ? text : column.paint(text, row);
      })
      .join(GAP)
      .trimEnd();

  const titles = line(
    columns.map((column) => column.title),
    null,
  );
  return [titles, ...rows.map((row, index) => line(cells[index] ?? [], row))].map((one) => `${one}\n`).join('');
}

const GAP = '  ';
const MIN_LAST = 10;

function pad(text: string, width: number, { right }: Pick<Column<never>, 'right'>): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right === true ? space + text : text + space;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** How many places a text takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0;
  for (const letter of text) width += NO_WIDTH.test(letter) ? 0 : WIDE.test(letter) ? 2 : 1;
  return width;
}

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  for (const letter of text) {
    if (widthOf(kept + letter) > width - 1) break;
    kept += letter;
  }
  return `${kept}…`;
}
