import type { Stream } from '../../domain/machine.ts';
import type { LogRun } from '../../usecases/log/read-log-in-order.ts';
import { paint, type Span } from './paint.ts';
import { PLAIN, readStyle, type Style, writeStyle } from './style.ts';

/** A line as it is kept, numbered within its stream from 1. */
export type Line = { kind: 'line'; stream: Stream; number: number; bytes: Uint8Array; cut: number; style: Style };
/** Bytes that aren't kept, after the line of this number. */
export type Gap = { kind: 'gap'; stream: Stream; bytes: number; after: number };
export type Item = Line | Gap;

/** Where a reader goes on: the beginning of the first line that hasn't ended yet. */
export type Position = { offset: number; number: number; style: Style };
export const BEGINNING: Position = { offset: 0, number: 1, style: PLAIN };

/** Of a longer line only the beginning is shown. */
const MAX_LINE_BYTES = 4096;
const NEWLINE = 0x0a;
const ESCAPE = 0x1b;

export type LineReader = {
  /** Takes bytes at or after what it has; answers the lines that end in them. */
  push(run: Pick<LogRun, 'offset' | 'bytes'>): Item[];
  /** The line that has begun and not ended. */
  unfinished(): Line | null;
  position(): Position;
  /** The next byte that it wants. */
  wants(): number;
};

/** Makes lines of the bytes of one stream, in pieces of any size. */
export function createLineReader(stream: Stream, from: Position = BEGINNING): LineReader {
  let { number, style } = from;
  let [begin, next] = [from.offset, from.offset];
  let kept: Uint8Array[] = [];
  let keptBytes = 0;

  const take = (bytes: Uint8Array) => {
    const fits = bytes.subarray(0, MAX_LINE_BYTES - keptBytes);
    if (fits.length > 0) kept.push(fits);
    keptBytes += fits.length;
    next += bytes.length;
  };
  const current = (): Line => {
    const bytes = kept.length === 1 && kept[0] ? kept[0] : Buffer.concat(kept);
    return { kind: 'line', stream, number, bytes, cut: next - begin - keptBytes, style };
  };
  const end = (): Line => {
    const line = current();
    number++;
    style = styleAfter(line);
    begin = next;
    kept = [];
    keptBytes = 0;
    return line;
  };
  const skipTo = (offset: number): Item[] => {
    const cut = next > begin ? [end()] : [];
    const gap: Gap = { kind: 'gap', stream, bytes: offset - next, after: number - 1 };
    begin = next = offset;
    return [...cut, gap];
  };

  return {
    push({ offset, bytes }) {
      const items = offset > next ? skipTo(offset) : [];
      let rest = bytes.subarray(Math.max(0, next - offset));
      for (let at = rest.indexOf(NEWLINE); at >= 0; at = rest.indexOf(NEWLINE)) {
        take(rest.subarray(0, at));
        const line = end();
        begin = ++next;
        items.push(line);
        rest = rest.subarray(at + 1);
      }
      take(rest);
      return items;
    },
    unfinished: () => (next > begin ? current() : null),
    position: () => ({ offset: begin, number, style }),
    wants: () => next,
  };
}

/** Where a line was cut short, nobody knows what its end would have set. */
function styleAfter(line: Line): Style {
  if (line.cut > 0) return PLAIN;
  return line.bytes.includes(ESCAPE) ? paint(textOf(line), line.style).style : line.style;
}

const textOf = ({ bytes, cut }: Line): string =>
  // A letter that was cut in two at the end is left out, others that aren't UTF-8 show as such.
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: cut > 0 });

export const spansOf = (line: Line): Span[] => paint(textOf(line), line.style).spans;

/** A line's name in an address, unique in its attempt. */
export const lineId = ({ stream, number }: Pick<Line, 'stream' | 'number'>): string =>
  `${stream === 'stdout' ? 'L' : 'E'}${number}`;

export const writePosition = ({ offset, number, style }: Position): string =>
  `${offset}.${number}.${writeStyle(style)}`;

/** Null for what {@link writePosition} didn't write. */
export function readPosition(written: string): Position | null {
  const [, offset, number, style] = /^(\d{1,15})\.([1-9]\d{0,14})\.(\w{4})$/.exec(written) ?? [];
  if (offset === undefined || number === undefined || style === undefined) return null;
  return { offset: Number(offset), number: Number(number), style: readStyle(style) };
}
