/** The colours that a terminal has names for, as far as they can be read on any ground; null: the text's own. */
const COLOURS = ['red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'dim'] as const;
export type Colour = (typeof COLOURS)[number];
const FLAGS = ['bold', 'faint', 'italic', 'underline', 'strike', 'inverse'] as const;
type Flag = (typeof FLAGS)[number];

/** How a terminal would draw what comes next. */
export type Style = { readonly [flag in Flag]?: true } & { readonly text?: Colour; readonly ground?: Colour };
export const PLAIN: Style = {};

/** Names of classes, one blank between; empty for plain text. */
export function classesOf(style: Style): string {
  const flags = FLAGS.filter((flag) => flag !== 'inverse' && style[flag]);
  const [text, ground] = style.inverse ? [style.ground, style.text ?? 'dim'] : [style.text, style.ground];
  // On a coloured ground text has the colour of the page: the only one that can be read on all of them.
  return [...flags, ground === undefined ? text : `on-${ground}`].filter(Boolean).join(' ');
}

const WRITTEN = /^([0-7])([0-7])([0-9a-v]{2})$/;

/** A style as four letters, to be carried in an address. */
export function writeStyle(style: Style): string {
  const bits = FLAGS.reduce((sum, flag, index) => sum + (style[flag] ? 2 ** index : 0), 0);
  return `${digit(style.text)}${digit(style.ground)}${bits.toString(32).padStart(2, '0')}`;
}

const digit = (colour: Colour | undefined): number => (colour === undefined ? 0 : COLOURS.indexOf(colour) + 1);

/** Plain for anything that {@link writeStyle} didn't write. */
export function readStyle(written: string): Style {
  const [, text, ground, bits] = WRITTEN.exec(written) ?? [];
  if (text === undefined || ground === undefined || bits === undefined) return PLAIN;
  const flags = FLAGS.filter((_, index) => (Number.parseInt(bits, 32) >> index) & 1).map((flag) => [flag, true]);
  return withColours(Object.fromEntries(flags) as Style, COLOURS[Number(text) - 1], COLOURS[Number(ground) - 1]);
}

function withColours(style: Style, text: Colour | undefined, ground: Colour | undefined): Style {
  const { text: _text, ground: _ground, ...flags } = style;
  return { ...flags, ...(text === undefined ? {} : { text }), ...(ground === undefined ? {} : { ground }) };
}

/** Black and white are what the page's text is, or would vanish on it. */
const NAMED: readonly (Colour | undefined)[] = [
  undefined,
  'red',
  'green',
  'yellow',
  'blue',
  'magenta',
  'cyan',
  undefined,
];
const BRIGHT_BLACK = 8;

/** The style after `ESC [ … m`: what isn't known is passed over. */
export function restyled(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((code) => (code === '' ? 0 : Number(code)));
  let now = style;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 38 || code === 48) {
      const { colour, used } = extended(codes.slice(at + 1));
      now = code === 38 ? withColours(now, colour, now.ground) : withColours(now, now.text, colour);
      at += used;
    } else now = after(now, code);
  }
  return now;
}

const SET: Record<number, Flag> = { 1: 'bold', 2: 'faint', 3: 'italic', 4: 'underline', 7: 'inverse', 9: 'strike' };
const UNSET: Record<number, readonly Flag[]> = {
  22: ['bold', 'faint'],
  23: ['italic'],
  24: ['underline'],
  27: ['inverse'],
  29: ['strike'],
};

function after(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  const flag = SET[code];
  if (flag !== undefined) return { ...style, [flag]: true };
  const gone = UNSET[code];
  if (gone !== undefined)
    return Object.fromEntries(Object.entries(style).filter(([key]) => !gone.includes(key as Flag)));
  if (code >= 30 && code <= 37) return withColours(style, NAMED[code - 30], style.ground);
  if (code === 39) return withColours(style, undefined, style.ground);
  if (code >= 40 && code <= 47) return withColours(style, style.text, NAMED[code - 40]);
  if (code === 49) return withColours(style, style.text, undefined);
  if (code >= 90 && code <= 97) return withColours(style, bright(code - 90), style.ground);
  if (code >= 100 && code <= 107) return withColours(style, style.text, bright(code - 100));
  return style;
}

const bright = (index: number): Colour | undefined => (index === 0 ? 'dim' : NAMED[index]);

/** A colour out of 256 (`5;n`) or of three bytes (`2;r;g;b`): the nearest that has a name. */
function extended([kind, ...rest]: readonly number[]): { colour: Colour | undefined; used: number } {
  if (kind === 2) return { colour: nearest(rest[0] ?? 0, rest[1] ?? 0, rest[2] ?? 0), used: 4 };
  if (kind !== 5) return { colour: undefined, used: 1 };
  return { colour: outOf256(rest[0] ?? 0), used: 2 };
}

function outOf256(index: number): Colour | undefined {
  if (index < BRIGHT_BLACK) return NAMED[index];
  if (index < 16) return bright(index - BRIGHT_BLACK);
  if (index >= 232) return index < 250 ? 'dim' : undefined;
  const cube = index - 16;
  return nearest(Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51);
}

/** By hue: which of red, green and blue are more than half of the strongest. Greys have none. */
function nearest(red: number, green: number, blue: number): Colour | undefined {
  const most = Math.max(red, green, blue);
  if (most - Math.min(red, green, blue) < most / 4) return most > 64 && most < 192 ? 'dim' : undefined;
  const strong = (part: number, bit: number) => (part > most / 2 ? bit : 0);
  return NAMED[strong(red, 1) + strong(green, 2) + strong(blue, 4)];
}
