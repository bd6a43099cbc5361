import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Writes the story. Texts may come from outside: what a terminal would obey is made visible. */
export type Teller = {
  title(text: string): void;
  /** A plain sentence, with the seconds since the beginning before it. */
  say(text: string, style?: Style): void;
  /** A line of a running command. */
  live(line: string): void;
  /** Lines as they stand, a little to the right. */
  block(lines: readonly string[]): void;
  style(style: Style, text: string): string;
};

const MARGIN = 9;
const WIDEST = 110;
const NARROWEST = 40;

export function createTeller(stream: NodeJS.WriteStream): Teller {
  const begin = performance.now();
  // Colour where the stream is a screen that shows it and nobody asked for none.
  const style = (name: Style, text: string) => styleText(name, text, { stream });
  const write = (line: string) => stream.write(`${line.trimEnd()}\n`);
  const width = () => Math.max(NARROWEST, Math.min(stream.columns ?? WIDEST, WIDEST)) - MARGIN;
  const clock = () => `${((performance.now() - begin) / 1000).toFixed(1)} s`.padStart(MARGIN - 2);
  return {
    style,
    title: (text) => write(`\n${style('bold', text)}`),
    say(text, name) {
      const [first = '', ...rest] = wrap(visible(text), width());
      const painted = (line: string) => (name === undefined ? line : style(name, line));
      write(`${style('dim', clock())}  ${painted(first)}`);
      for (const line of rest) write(`${' '.repeat(MARGIN)}${painted(line)}`);
    },
    live: (line) => write(`${' '.repeat(MARGIN)}${style('cyan', '│')} ${visible(line)}`),
    block(lines) {
      for (const line of lines) write(`  ${line}`);
    },
  };
}

const visible = (text: string): string =>
  text.replace(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, (character) =>
    character.charCodeAt(0) < 0x20 ? String.fromCharCode(0x2400 + character.charCodeAt(0)) : '\ufffd',
  );

/** Lines of at most `width` characters, broken at spaces; a word that is longer stands alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length > width && line !== '') {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

/** Columns as wide as their widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, at) => visible(cell).padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
