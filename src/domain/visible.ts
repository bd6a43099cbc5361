/*
 * Text that came from outside may hold what a terminal or a browser obeys: escape sequences that rename windows or move
 * the cursor, letters that turn the direction of reading. Here such characters are made visible instead.
 */

const HIDDEN = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\ufeff]/gu;
const HIDDEN_IN_LINES = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\ufeff]/gu;

const DELETE = 0x7f;
/** Where the pictures of the control characters stand: ␀ and those after it. */
const PICTURES = 0x2400;
const PICTURE_OF_DELETE = '\u2421';

/** Text for one line with what it would hide, control characters and marks of direction, as something to see. */
export const visible = (text: string): string => text.replace(HIDDEN, picture);

/** The same for text of several lines. */
export const visibleLines = (text: string): string => text.replaceAll('\r\n', '\n').replace(HIDDEN_IN_LINES, picture);

/** What a program said, within a sentence: without control characters, so without line breaks. */
export const inOneLine = (text: string): string => text.replace(/\p{Cc}+/gu, ' ').trim();

function picture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(PICTURES + code);
  return code === DELETE ? PICTURE_OF_DELETE : `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}
