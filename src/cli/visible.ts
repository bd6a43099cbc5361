/*
 * Text that came from outside may hold what a terminal obeys: escape sequences that rename windows or move the cursor,
 * letters that turn the direction of reading. Here such characters are made visible instead.
 */

const OBEYED = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\ufeff]/gu;
const OBEYED_IN_LINES = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\ufeff]/gu;

/** For one line: line breaks and tabs are shown too. */
export const visible = (text: string): string => text.replace(OBEYED, picture);
/** For text of many lines. */
export const visibleLines = (text: string): string => text.replaceAll('\r\n', '\n').replace(OBEYED_IN_LINES, picture);

function picture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : `\\u{${code.toString(16)}}`;
}

/** Makes bytes that come in pieces visible: letters and line ends that a piece cuts are put together again. */
export function createVisibleText(): { push(bytes: Uint8Array): string; end(): string } {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let kept = '';
  const flush = (text: string, last: boolean) => {
    const whole = kept + text;
    kept = !last && whole.endsWith('\r') ? '\r' : '';
    return visibleLines(kept === '' ? whole : whole.slice(0, -1));
  };
  return {
    push: (bytes) => flush(decoder.decode(bytes, { stream: true }), false),
    end: () => flush(decoder.decode(), true),
  };
}
